package postern_test

import data.postern
import data.testing as fixtures

allowed_by(roles) := {"allow": true, "reasons": [], "roles": roles, "obligations": []}

denied(reasons) := {"allow": false, "reasons": reasons, "roles": [], "obligations": []}

unreadable := denied([{
	"code": "policy_undefined",
	"message": "policy could not read the request",
	"access": null,
	"role": null,
}])

decide(question) := decision if {
	decision := postern.decision with input as question with data.postern.compiled as fixtures.compiled
}

# The golden cases, which scripts/policy-cases.ts makes into data.
test_golden_case[name] if {
	some name, golden in data.cases
	decision := postern.decision with input as golden.input with data.postern.compiled as golden.compiled
	decision == golden.want
}

test_golden_cases_are_there if count(data.cases) >= 40

test_allows_what_a_role_allows if decide(fixtures.get_item) == allowed_by(["reader"])

test_names_every_role_that_allows if {
	decide(fixtures.holding(["nothing", "reader", "anything"])) == allowed_by(["reader", "anything"])
}

test_names_roles_sorted_when_accesses_differ if {
	question := object.union(fixtures.asking([{}, {"table": "stock"}]), {"user": {"roles": ["reader", "anything"]}})
	decide(question) == allowed_by(["anything", "reader"])
}

test_denies_without_input if decide({}) == unreadable

test_denies_other_versions if decide(object.union(fixtures.get_item, {"version": 2})) == unreadable

test_denies_without_accesses if {
	decide(object.union(fixtures.get_item, {"request": {"accesses": []}})) == unreadable
}

test_denies_roles_of_the_wrong_type if {
	decide(object.union(fixtures.get_item, {"user": {"roles": "reader"}})).allow == false
}

test_denies_without_data if {
	decision := postern.decision with input as fixtures.get_item with data.postern.compiled as {}
	decision == denied([{
		"code": "role_unknown",
		"message": `user "alice" holds role "reader", which is not loaded, so what it denies cannot be known`,
		"access": null,
		"role": "reader",
	}])
}

test_custom_denial_is_final if {
	decision := postern.decision with input as fixtures.get_item
		with data.postern.compiled as fixtures.compiled
		with data.postern.custom as {"hours": {"deny": {"closed", {"message": "no reads", "access": 0}}}}
	decision == denied([
		{"code": "custom_denied", "message": `policy package "hours": closed`, "access": null, "role": null},
		{"code": "custom_denied", "message": `policy package "hours": no reads`, "access": 0, "role": null},
	])
}

test_custom_obligations_go_with_an_allow if {
	decision := postern.decision with input as fixtures.get_item
		with data.postern.compiled as fixtures.compiled
		with data.postern.custom as {"mask": {"obligations": {{"kind": "mask", "attribute": "ssn"}}}}
	decision == object.union(allowed_by(["reader"]), {"obligations": [{"kind": "mask", "attribute": "ssn"}]})
}

test_custom_package_allows_nothing if {
	decision := postern.decision with input as fixtures.asking([{"table": "payroll"}])
		with data.postern.compiled as fixtures.compiled
		with data.postern.custom as {"kind": {"allow": true, "deny": set(), "obligations": set()}}
	decision.allow == false
}

test_a_late_access_of_many_is_still_told if {
	changes := [change | some number in numbers.range(0, 49); change := {"table": tables[number == 41]}]
	decide(fixtures.asking(changes)) == denied([{
		"code": "rule_not_matched",
		"message": concat("", [
			`no rule of "reader" allows dynamodb:GetItem on table "payroll": `,
			"those for this action do not name this table",
		]),
		"access": 41,
		"role": null,
	}])
}

test_a_late_denied_access_of_many_is_told if {
	changes := [change | some number in numbers.range(0, 49); change := {"action": actions[number == 41]}]
	question := object.union(fixtures.asking(changes), {"user": {"roles": ["anything", "no-deletes"]}})
	decide(question) == denied([{
		"code": "rule_denied",
		"message": concat("", [
			`role "no-deletes" denies dynamodb:DeleteItem in GetItem on table "orders" `,
			"(spec.deny.db_rules[0])",
		]),
		"access": 41,
		"role": "no-deletes",
	}])
}

test_only_so_many_denied_accesses_are_told if {
	changes := [{"action": "dynamodb:DeleteItem"} | some _ in numbers.range(1, 50)]
	question := object.union(fixtures.asking(changes), {"user": {"roles": ["anything", "no-deletes"]}})
	count(decide(question).reasons) == 8
}

actions := {true: "dynamodb:DeleteItem", false: "dynamodb:GetItem"}

tables := {true: "payroll", false: "orders"}

test_only_so_many_reasons_are_told if {
	count(decide(fixtures.asking([{"table": "payroll"} | some _ in numbers.range(1, 50)])).reasons) == 8
	roles := [concat("", ["lost-", json.marshal(number)]) | some number in numbers.range(1, 50)]
	count(decide(fixtures.holding(roles)).reasons) == 16
}

# Else the gateway would ask for the keys of a table that no role lets the user at.
test_what_roles_say_is_told_beside_any_number_of_custom_denials[code] if {
	many := {concat("", ["closed ", json.marshal(number)]) | some number in numbers.range(1, 17)}
	some code, question in {
		"rule_not_matched": fixtures.asking([{"table": "payroll"}]),
		"rule_denied": object.union(fixtures.asking([{"action": "dynamodb:DeleteItem"}]), {"user": {"roles": ["no-deletes"]}}),
		"role_unknown": fixtures.holding(["lost"]),
	}
	reasons := postern.decision.reasons with input as question
		with data.postern.compiled as fixtures.compiled
		with data.postern.custom as {"hours": {"deny": many}}
	count(reasons) == 16
	code in {reason.code | some reason in reasons}
}

test_only_so_many_roles_are_named if {
	question := object.union(
		fixtures.holding(["nothing" | some _ in numbers.range(1, 20)]),
		{"db_user": "arn:aws:iam::123456789012:role/Other"},
	)
	endswith(decide(question).reasons[0].message, `; role "nothing" has no db_labels; and 12 more`)
}
