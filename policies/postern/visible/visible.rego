# METADATA
# title: What lists show
# description: >-
#   Answers whether the caller may know of a table that a list operation found. The question has one access: that of the
#   list operation on this table.
package postern.visible

import data.postern.allow
import data.postern.deny
import data.postern.extensions

default shown := false

# METADATA
# title: Shown
# description: >-
#   True when nothing denies the list operation on this table and some eligible role allows anything else to be done with
#   it that is not denied outright.
# entrypoint: true
# scope: document
shown if {
	input.version == 1
	access := input.request.accesses[0]
	deny.clear
	extensions.clear
	some name in allow.eligible
	_works_on(name, access)
}

_works_on(name, _) if {
	not data.postern.compiled.roles[name].allow.rules
} else if {
	rules := data.postern.compiled.roles[name].allow.rules
	some action, numbers in data.postern.compiled.indexes[rules.index]
	not startswith(action, "dynamodb:List")
	some number in numbers
	allow.in_resource(rules.list[number], input.request.accesses[0])
	not _is_denied(action)
}

# A rule that is narrowed to keys or attributes denies some of the table, not all of it.
_is_denied(action) if {
	some name in input.user.roles
	rules := data.postern.compiled.roles[name].deny.rules
	some number in data.postern.compiled.indexes[rules.index][action]
	not rules.list[number].narrow
	deny.in_resource(rules.list[number], input.request.accesses[0])
}
