# Asks Ratify about every image of the object under review and denies what it does not vouch for.
# Pods hold their containers in spec, the workloads that make pods in spec.template.spec, a CronJob one level deeper.
package ratifyverification

pod_spec = input.review.object.spec.template.spec { input.review.object.spec.template.spec }
else = input.review.object.spec.jobTemplate.spec.template.spec { input.review.object.spec.jobTemplate.spec.template.spec }
else = input.review.object.spec { true }

images[image] { image := pod_spec.containers[_].image }
images[image] { image := pod_spec.initContainers[_].image }
images[image] { image := pod_spec.ephemeralContainers[_].image }

answer = external_data({"provider": "ratify-provider", "keys": [image | images[image]]}) { count(images) > 0 }

violation[{"msg": message}] {
  answer.system_error != ""
  message := sprintf("Ratify could not be asked: %v", [answer.system_error])
}

violation[{"msg": message}] {
  failed := answer.errors[_]
  message := sprintf("Ratify failed on %v: %v", [failed[0], failed[1]])
}

violation[{"msg": message}] {
  answer.system_error == ""
  images[image]
  not answered[image]
  message := sprintf("Ratify said nothing about %v", [image])
}

violation[{"msg": message}] {
  [image, verdict] := answer.responses[_]
  not verified[image]
  message := sprintf("verification failed for %v: %v", [image, reasons(verdict)])
}

answered[image] { image := answer.responses[_][0] }
answered[image] { image := answer.errors[_][0] }

verified[image] {
  [image, verdict] := answer.responses[_]
  verdict.isSuccess == true
}

# What the verifiers said, each once; Ratify reports none for an image without a signature.
reasons(verdict) = text {
  said := {line | report := verdict.verifierReports[_]; line := reason(report)}
  count(said) > 0
  text := concat("; ", said)
} else = "no signature that the policy accepts"

# The reason where there is one; the message beside it repeats the image.
reason(report) = report.errorReason { report.errorReason != "" }
else = report.message { true }
