# METADATA
# title: Policies of this installation
# description: >-
#   Joins the packages `postern.custom.<name>`. Their `deny` can only add denials and their `obligations` can only add
#   obligations. What has the wrong type denies, because dropping it would be to ignore a rule that somebody wrote.
package postern.extensions

default clear := false

# METADATA
# title: Clear
# description: True when no package denies the request and none is malformed.
# scope: document
clear if count(denials) == 0

# METADATA
# title: Denials
# description: Package, message and access of every denial; the access is null when it concerns the whole request.
# scope: document
denials contains {"package": name, "message": element, "access": null} if {
	some name
	some element in data.postern.custom[name].deny
	is_string(element)
	_is_collection(data.postern.custom[name].deny)
}

denials contains {"package": name, "message": element.message, "access": _access_of(element)} if {
	some name
	some element in data.postern.custom[name].deny
	_has_message(element)
	_is_collection(data.postern.custom[name].deny)
}

denials contains _malformed(name, "its deny holds an entry that is neither a string nor {message, access}") if {
	some name
	some element in data.postern.custom[name].deny
	not is_string(element)
	not _has_message(element)
}

denials contains _malformed(name, concat("", ["its deny must be a set of messages, not a value of type ", kind])) if {
	some name
	kind := type_name(data.postern.custom[name].deny)
	not _is_collection(data.postern.custom[name].deny)
}

denials contains _malformed(name, concat("", ["its obligations must be a set of objects, not a value of type ", kind])) if {
	some name
	kind := type_name(data.postern.custom[name].obligations)
	not _is_collection(data.postern.custom[name].obligations)
}

denials contains _malformed(name, "its obligations hold an entry without a kind") if {
	some name
	some element in data.postern.custom[name].obligations
	not _has_kind(element)
}

# METADATA
# title: Obligations
# description: The obligations of all packages, each once, sorted.
obligations := sort({element |
	some name
	some element in data.postern.custom[name].obligations
	_has_kind(element)
})

_malformed(name, message) := {"package": name, "message": message, "access": null}

_is_collection(found) if is_set(found)

_is_collection(found) if is_array(found)

_has_message(element) if is_string(element.message)

_has_kind(element) if is_string(element.kind)

# An access that is not a position of this request is no reason to lose the denial: it then concerns the whole request.
_access_of(element) := element.access if {
	input.request.accesses[element.access]
} else := null
