package postern.custom.tenants_test

import data.postern
import data.testing

# The users of resources/, asking for one access through their AWS role. Answers are compared with false, not negated: a question
# that is misspelt has no answer at all, and must fail its test.
app(name, access) := testing.asked_by(testing.users[name], "OrdersApp", [access])

support(access) := testing.asked_by(testing.users.sam, "OrdersSupport", [access])

test_a_tenant_is_at_its_own_items if {
	postern.decision.allow with input as app("acme-app", {"leading_keys": ["acme"]})
	postern.decision.allow with input as app("globex-app", {"leading_keys": ["globex"]})
}

test_and_at_nobody_elses if {
	postern.decision.allow == false with input as app("acme-app", {"leading_keys": ["globex"]})
	postern.decision.allow == false with input as app("acme-app", {"leading_keys": ["acme", "globex"]})
}

test_nor_at_items_of_which_nobody_knows if {
	postern.decision.allow == false with input as app("acme-app", {"keys_known": false, "leading_keys": []})
	postern.decision.allow == false with input as app("acme-app", {"action": "dynamodb:Scan", "full_scan": true})
}

test_support_sees_some_attributes if {
	postern.decision.allow with input as support({"attributes_known": true, "attributes": ["id", "address.city"]})
	postern.decision.allow == false with input as support({"attributes_known": true, "attributes": ["id", "card"]})
	postern.decision.allow == false with input as support({"attributes_known": false})
}

update := {
	"action": "dynamodb:UpdateItem",
	"level": "write",
	"attributes_known": true,
	"attributes": ["id", "status", "tenant"],
}

test_support_changes_the_status_in_the_daytime if {
	postern.decision.allow with input as support(update)
	night := object.union(support(update), {"time": "2026-11-22T03:00:00.000Z"})
	reasons := postern.decision.reasons with input as night
	[reason.code | some reason in reasons] == ["custom_denied"]
}

test_support_changes_nothing_else if {
	postern.decision.allow == false with input as support(object.union(update, {"attributes": ["id", "total"]}))
}
