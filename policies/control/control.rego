# METADATA
# title: Who may administer
# description: >-
#   Answers whether somebody may do something to a resource of the cluster. Denials come first and are final; nothing is
#   allowed that a role does not grant. The built-in roles are defined here, and no document can change them.
# scope: subpackages
# schemas:
#   - input: schema.control
# related_resources:
#   - description: The shape of the answer
#     ref: policies/schemas/control-decision.json
package postern.control

default decision := {
	"allow": false,
	"reasons": [{"code": "control_undefined", "message": "policy could not read the request"}],
}

# METADATA
# title: Decision
# description: Allow and reasons. A request of the wrong shape is denied before any rule could overlook a part of it.
# entrypoint: true
# scope: document
decision := {"allow": true, "reasons": []} if {
	_readable
	count(_denials) == 0
	_grants(input.resource.kind, input.verb)
}

decision := {"allow": false, "reasons": array.slice([reason | some reason in _denials], 0, 16)} if {
	_readable
	count(_denials) > 0
}

decision := {"allow": false, "reasons": [{"code": "not_granted", "message": message}]} if {
	_readable
	count(_denials) == 0
	not _grants(input.resource.kind, input.verb)
	message := concat("", [_actor, " holds no role that grants ", input.verb, " on ", input.resource.kind])
}

default _readable := false

_readable if {
	input.version == 1
	is_string(input.actor.name)
	input.actor.kind in {"user", "local"}
	is_array(input.actor.roles)
	is_object(input.actor.traits)
	input.verb in {"list", "read", "create", "update", "delete"}
	is_string(input.resource.kind)
	is_object(input.roles)
	is_number(input.editors.before)
	is_number(input.editors.after)
	is_boolean(input.reach.before)
	is_boolean(input.reach.after)
	_complete
}

# What a change is judged by must be there: what is missing would be overlooked.
_complete if input.verb in {"list", "read"}

_complete if {
	input.verb == "create"
	is_object(input.change.after.spec)
	input.change.before == null
}

_complete if {
	input.verb == "update"
	is_object(input.change.after.spec)
	is_object(input.change.before.spec)
}

_complete if {
	input.verb == "delete"
	is_object(input.change.before.spec)
	input.change.after == null
}

# What is there and cannot be read must not keep those who may do everything from mending it.
_complete if {
	_administers
	input.verb == "update"
	is_object(input.change.after.spec)
	input.change.before != null
}

_complete if {
	_administers
	input.verb == "delete"
	input.change.before != null
	input.change.after == null
}

_actor := concat("", [`user "`, input.actor.name, `"`]) if input.actor.kind == "user"

_actor := concat("", [`local user "`, input.actor.name, `"`]) if input.actor.kind == "local"

# Roles that every cluster has. editor administers, auditor reads, access grants databases only.
_built_in := {
	"editor": {"allow": [{"resources": ["*"], "verbs": ["*"]}], "deny": []},
	"auditor": {"allow": [{"resources": ["event", "role", "user"], "verbs": ["list", "read"]}], "deny": []},
	"access": {"allow": [], "deny": []},
}

_rules[name] := _built_in[name] if some name in input.actor.roles

_rules[name] := input.roles[name] if {
	some name in input.actor.roles
	not _built_in[name]
	is_array(input.roles[name].allow)
	is_array(input.roles[name].deny)
}

default _administers := false

# Whoever can run commands as the service's own user on its machine could change the store by hand as well.
_administers if input.actor.kind == "local"

_administers if "editor" in input.actor.roles

_grants(_, _) if _administers

_grants(kind, verb) if {
	some role in input.actor.roles
	some rule in _rules[role].allow
	_covers(rule, kind, verb)
}

_covers(rule, kind, verb) if {
	some resource in rule.resources
	resource in {"*", kind}
	some word in rule.verbs
	word in {"*", verb}
}

_denials contains {"code": "role_unknown", "message": message} if {
	some role in input.actor.roles
	not _rules[role]
	message := concat("", [_actor, ` holds role "`, role, `", which is not defined, so what it denies cannot be known`])
}

_denials contains {"code": "rule_denied", "message": message} if {
	some role in input.actor.roles
	some rule in _rules[role].deny
	_covers(rule, input.resource.kind, input.verb)
	message := concat("", [`role "`, role, `" denies `, input.verb, " on ", input.resource.kind])
}

_denials contains {"code": "last_editor", "message": message} if {
	_changes
	input.editors.before > 0
	input.editors.after < 1
	message := "nobody could administer the cluster any more: give another user the role editor first"
}

_changes if not input.verb in {"list", "read"}

# Somebody who is no editor hands out nothing that they do not have, and does not change what binds themselves.
_denials contains {"code": "more_than_own", "message": message} if {
	not _administers
	_changes
	some what in _beyond
	message := concat("", [_actor, " ", what])
}

_beyond contains concat("", [`may not give role "`, role, `", which they do not hold`]) if {
	input.resource.kind == "user"
	some role in input.change.after.spec.roles
	not role in input.actor.roles
}

_beyond contains concat("", [`may not change a user who holds role "`, role, `", which they do not hold`]) if {
	input.resource.kind == "user"
	some role in input.change.before.spec.roles
	not role in input.actor.roles
}

_beyond contains concat("", [`may not give trait "`, trait, `" a value that they do not have`]) if {
	input.resource.kind == "user"
	some trait, values in input.change.after.spec.traits
	some value in values
	not value in object.get(input.actor.traits, trait, [])
}

_beyond contains "may not change their own user" if {
	input.resource.kind == "user"
	input.resource.name == input.actor.name
}

_beyond contains "may not change a role that they hold" if {
	input.resource.kind == "role"
	input.resource.name in input.actor.roles
}

_beyond contains concat("", ["may not grant ", verb, " on ", kind, ", which they may not do"]) if {
	input.resource.kind == "role"
	some rule in input.change.after.spec.allow.rules
	some kind in rule.resources
	some verb in rule.verbs
	not _grants(kind, verb)
}

_beyond contains "may not lift a lock on themselves" if {
	input.resource.kind == "lock"
	input.change.before.spec.target.user == input.actor.name
}

_beyond contains concat("", [`may not lift a lock on role "`, role, `", which they hold`]) if {
	input.resource.kind == "lock"
	role := input.change.before.spec.target.role
	role in input.actor.roles
}

# What else a role says reaches whoever holds it, at once: what it allows at databases, what it denies, how long it lasts.
_beyond contains "may not change what a role says beside the rules that it grants" if {
	input.resource.kind == "role"
	input.verb == "update"
	_beside_grants(input.change.before.spec) != _beside_grants(input.change.after.spec)
}

_beside_grants(spec) := [object.remove(spec, ["allow"]), object.remove(spec.allow, ["rules"])] if {
	is_object(spec.allow)
} else := [object.remove(spec, ["allow"]), {}]

# Labels decide whose roles reach a database. As in Teleport nobody registers, changes or removes one that their own roles do not
# reach, as it is or as it would be: else others' data could be put under labels that they do reach, in one step or in two.
_beyond contains "may not change a database that their own roles do not reach by its labels" if {
	input.resource.kind == "db"
	some moment in ["before", "after"]
	input.change[moment] != null
	not input.reach[moment]
}

# A connector says who is let in, and with which roles.
_beyond contains "may not change a connector, by which others would be let in as whoever it names" if {
	input.resource.kind == "oidc"
}

# Whoever joins as one of these can issue certificates, or stands between people and the cluster.
_beyond contains concat("", [`may not make a token by which services join as "`, role, `"`]) if {
	input.resource.kind == "token"
	some role in input.change.after.spec.roles
	not lower(role) == "db"
}
