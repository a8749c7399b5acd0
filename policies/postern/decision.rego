# METADATA
# title: The decision
# description: >-
#   Answers whether one DynamoDB operation goes ahead. Nothing is allowed that a role does not allow; a denial in any
#   role, a role that is not loaded, or a denial of a policy package of this installation is final.
# scope: subpackages
# schemas:
#   - input: schema.input
#   - data.postern.compiled: schema.data
# related_resources:
#   - description: The shape of the answer
#     ref: policies/schemas/decision.json
package postern

import data.postern.allow
import data.postern.deny
import data.postern.extensions
import data.postern.reasons

default decision := {
	"allow": false,
	"reasons": [{
		"code": "policy_undefined",
		"message": "policy could not read the request",
		"access": null,
		"role": null,
	}],
	"roles": [],
	"obligations": [],
}

# METADATA
# title: Decision
# description: >-
#   Allow, reasons, roles and obligations. Different accesses of one request may be allowed by different roles, but for
#   each access one single role satisfies labels, database user and one of its rules together.
# entrypoint: true
# scope: document
decision := {"allow": true, "reasons": [], "roles": allow.roles, "obligations": extensions.obligations} if _allowed

decision := {"allow": false, "reasons": reasons.ordered, "roles": [], "obligations": []} if {
	not _allowed
	reasons.ordered != []
}

default _allowed := false

_allowed if {
	input.version == 1
	deny.clear
	allow.granted
	extensions.clear
}
