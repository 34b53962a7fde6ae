from __future__ import annotations

import pytest

from tests import documents

PAGE = "# Title\n\nBy hand.\n\n<!-- commands: made by scripts/docs -->\n\nold\n\n<!-- end -->\n\nMore by hand.\n"


def test_the_page_of_the_command_line_has_the_help_of_every_command():
    page = (documents.ROOT / "docs/cli.md").read_text()
    assert documents.marked(page, documents.COMMANDS) == documents.commands_text(), "run scripts/docs"


@pytest.mark.parametrize("words", [words for words, _, _ in documents.commands()])
def test_every_command_has_an_example_that_calls_it(words):
    text = next(command.get_help(context) for found, command, context in documents.commands() if found == words)
    _, found, example = text.partition("Example:")
    assert found
    assert words in example


def test_commands_within_groups_are_found():
    assert {"csscgen", "csscgen run", "csscgen tools", "csscgen tools path"} <= {
        words for words, _, _ in documents.commands()
    }


def test_only_the_marked_part_of_a_page_is_made():
    made = documents.replaced(PAGE, documents.COMMANDS, "new\n")
    assert made == PAGE.replace("old", "new")
    assert documents.marked(made, documents.COMMANDS) == "new"
    assert documents.replaced(made, documents.COMMANDS, "new") == made


def test_the_marked_part_may_be_empty():
    page = f"{documents.COMMANDS}\n{documents.END}\n"
    assert documents.marked(page, documents.COMMANDS) == ""
    assert documents.marked(documents.replaced(page, documents.COMMANDS, "new"), documents.COMMANDS) == "new"


@pytest.mark.parametrize("page", ["", "# Title\n", "<!-- commands: made by scripts/docs -->\n\nno end\n"])
def test_a_page_without_the_markers_is_not_overwritten(page):
    with pytest.raises(ValueError, match="needs a line"):
        documents.replaced(page, documents.COMMANDS, "new")
