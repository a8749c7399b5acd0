package postern.visible_test

import data.postern.visible
import data.testing as fixtures

finding(table) := {
	"action": "dynamodb:ListTables", "level": "list", "table": table,
	"arn": concat("", ["arn:aws:dynamodb:us-east-1:123456789012:table/", table]),
}

shown(roles, table) if {
	question := object.union(fixtures.asking([finding(table)]), {"user": {"roles": roles}})
	visible.shown with input as question with data.postern.compiled as fixtures.compiled
}

test_shows_what_a_rule_names if shown(["reader"], "orders")

test_hides_what_no_rule_names if not shown(["reader"], "payroll")

test_shows_everything_to_a_role_without_rules if shown(["anything"], "payroll")

test_hides_what_is_denied_by_its_labels_or_table if not shown(["anything", "no-payroll"], "payroll")

test_shows_what_is_denied_in_part if shown(["anything", "no-deletes"], "orders")

test_hides_what_the_only_allowed_action_is_denied_on if not shown(["reader", "no-reads"], "orders")

test_hides_without_a_question if {
	not visible.shown with input as {} with data.postern.compiled as fixtures.compiled
}

test_hides_what_a_policy_package_denies if {
	question := object.union(fixtures.asking([finding("orders")]), {"user": {"roles": ["reader"]}})
	not visible.shown with input as question
		with data.postern.compiled as fixtures.compiled
		with data.postern.custom as {"closed": {"deny": {"closed"}}}
}
