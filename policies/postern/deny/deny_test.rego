package postern.deny_test

import data.postern.deny
import data.testing as fixtures

asked(known, own, keys) := object.union(fixtures.access, {
	"action": "dynamodb:Query", "index": "by-x", "keys_known": known, "own_keys": own, "leading_keys": keys,
})

of_table := {"leading_keys": {"exact": {"bob": true}}}

of_index := object.union(of_table, {"indexes": {"any": true}})

# For keys that are known or not, and the table's own, an index's, or not known whose: what is told of [open] and of [bob].
table := {
	true: {true: ["free", "proven"], false: ["proven", "proven"], null: ["unproven", "proven"]},
	false: {true: ["unproven", "proven"], false: ["proven", "proven"], null: ["unproven", "proven"]},
}

index := {true: ["free", "proven"], false: ["unproven", "proven"]}

verdict(narrow, access) := "free" if {
	not deny.in_keys(narrow, access)
} else := "proven" if {
	deny.has_proven_keys(narrow, access)
} else := "unproven"

test_rules_without_indexes_are_about_partitions_of_the_table[[known, own]] if {
	some known, by_owner in table
	some own, wanted in by_owner
	wanted == [verdict(of_table, asked(known, own, [key])) | some key in ["open", "bob"]]
}

test_rules_with_indexes_are_about_keys_of_the_index[[known, own]] if {
	some known, wanted in index
	some own in [true, false, null]
	wanted == [verdict(of_index, asked(known, own, [key])) | some key in ["open", "bob"]]
}

test_an_access_that_does_not_say_whose_its_keys_are_is_denied_until_it_does if {
	silent := object.remove(asked(true, null, ["open"]), ["own_keys"])
	verdict(of_table, silent) == "unproven"
	verdict(of_index, silent) == "free"
	not deny.is_of_any_partition(of_table, silent)
}

test_without_leading_keys_it_does_not_matter_whose_they_are[own] if {
	some own in [true, false, null]
	every narrow in [{"scans": [true]}, {"attributes": {"within": {"any": true}}}] {
		not deny.is_of_any_partition(narrow, asked(true, own, ["open"]))
		deny.in_keys(narrow, asked(true, own, ["open"]))
		deny.has_proven_keys(narrow, asked(true, own, ["open"]))
	}
}

test_a_look_up_may_turn_out_to_be_no_scan if {
	narrow := object.union(of_table, {"scans": [true]})
	access := object.union(asked(false, false, []), {"action": "dynamodb:PartiQLSelect", "full_scan": true})
	denied := object.union(access, {"own_keys": true, "leading_keys": ["bob"]})
	every question in [access, denied] {
		verdict(narrow, question) == "unproven"
		verdict(of_table, question) == "proven"
	}
}

# A role that denies reading an attribute, asked about a write whose condition reads it.
test_what_a_write_reads_is_denied_whatever_its_level[level] if {
	some level in ["write", "list", null, "none"]
	compiled := {
		"indexes": {"reads": {"dynamodb:GetItem": [0]}},
		"roles": {"keeper": {"deny": {"rules": {"index": "reads", "list": [{
			"tables": {"any": true},
			"narrow": {"attributes": {"within": {"exact": {"secret": true}}}},
		}]}}}},
	}
	told := {"action": "dynamodb:UpdateItem", "level": level, "attributes_known": true, "reads": ["secret"]}
	said := object.union(fixtures.access, told)
	access := object.remove(said, [key | some key in ["level"]; level == "none"])
	question := {"user": {"roles": ["keeper"]}, "request": {"accesses": [access]}}
	not deny.clear with input as question with data.postern.compiled as compiled

	# The same write is clear when it reads something else: it is what it reads that is denied.
	other := object.union(access, {"reads": ["open"]})
	harmless := object.union(question, {"request": {"accesses": [other]}})
	deny.clear with input as harmless with data.postern.compiled as compiled
}
