# The check of patterns at load, as the host asks for it.
package postern.patterns

invalid contains pattern if {
	some pattern in input.patterns
	not regex.is_valid(pattern)
}
