//go:build !linux

package githttp

// limitMemory bounds nothing here: what settings allow git is all there is.
func limitMemory(int, uint64) {}
