// Evaluates the violations of a policy with Gatekeeper's own version of OPA: reads {policy, input, answer} as JSON from
// stdin and writes {violations, asked}, where answer is what every call of external_data returns and asked its arguments.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"
)

type request struct {
	Policy string `json:"policy"`
	Input  any    `json:"input"`
	Answer any    `json:"answer"`
}

func main() {
	var wanted request
	if err := json.NewDecoder(os.Stdin).Decode(&wanted); err != nil {
		fail(err)
	}
	asked := []any{}
	externalData := rego.Function1(
		&rego.Function{Name: "external_data", Decl: types.NewFunction(types.Args(types.A), types.A), Memoize: true},
		func(_ rego.BuiltinContext, argument *ast.Term) (*ast.Term, error) {
			value, err := ast.JSON(argument.Value)
			if err != nil {
				return nil, err
			}
			asked = append(asked, value)
			answer, err := ast.InterfaceToValue(wanted.Answer)
			return ast.NewTerm(answer), err
		},
	)
	results, err := rego.New(
		rego.SetRegoVersion(ast.RegoV0),
		rego.Module("policy.rego", wanted.Policy),
		rego.Query("data.ratifyverification.violation"),
		rego.Input(wanted.Input),
		externalData,
	).Eval(context.Background())
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"violations": results[0].Expressions[0].Value, "asked": asked}); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
