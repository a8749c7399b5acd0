package postern.custom.support_hours

import data.postern.lib

deny contains {"message": "support changes items from 08:00 to 18:00 UTC", "access": number} if {
	lib.has_role("support")
	some number, access in input.request.accesses
	lib.is_write(access)
	not lib.in_hours("08:00", "18:00")
}
