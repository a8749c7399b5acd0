# A policy small enough to read at a glance, with every way of going wrong that the host has to survive.
package postern

default decision := {
	"allow": false,
	"reasons": [{"code": "no_roles", "message": "no role allows it", "access": null, "role": null}],
	"roles": [],
	"obligations": [],
}

decision := {
	"allow": true,
	"reasons": [],
	"roles": [role | some role in granting],
	"obligations": [],
} if {
	not input.request.id in data.postern.fixture.ids
	count(granting) > 0
}

# The answer of the wrong kind that input.request.id asks for.
decision := data.postern.fixture.answers[input.request.id]

# Two values for one rule: evaluation throws.
decision := {"conflict": n} if {
	input.request.id == "conflict"
	some n in [1, 2]
}

# Work without end, for all practical purposes.
decision := {"sum": n} if {
	input.request.id == "slow"
	n := count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); i * j == 7])
}

# Work that takes all memory.
decision := {"large": n} if {
	input.request.id == "large"
	n := numbers.range(1, 10000000)
}

granting contains name if {
	some name in input.user.roles
	role := data.postern.compiled.roles[name]
	every access in input.request.accesses {
		some rule in role.allow.rules.list
		matches(rule.tables, access.table)
	}
}

matches(tables, name) if tables.exact[name]

matches(tables, name) if {
	some pattern in tables.more.re
	regex.match(pattern, name)
}
