# METADATA
# title: Databases that are shown
# description: >-
#   Answers whether a user may know of a database, before anything is asked of it. The question has the user and the
#   database, and no request.
package postern.databases

import data.postern.match

default shown := false

# METADATA
# title: Shown
# description: True when the labels of the database fit what a role of the user allows, and nothing that one denies.
# entrypoint: true
# scope: document
shown if {
	input.version == 1
	some name in input.user.roles
	match.allows_labels(data.postern.compiled.roles[name].allow.labels, input.database.labels)
	not _is_denied
}

_is_denied if {
	some name in input.user.roles
	match.denies_labels(data.postern.compiled.roles[name].deny.labels)
}
