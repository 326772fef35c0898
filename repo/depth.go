package repo

// Depth is how many commits lead to one along the longest way, itself counted. It
// is greater than that of every commit that leads there, wherever and whenever the
// history is read, so it grows with each move of the branch that rewrites nothing.
// False for a commit that the branch does not have.
func (r *Repo) Depth(commit Hash) (int, bool) {
	r.history.mu.RLock()
	defer r.history.mu.RUnlock()
	n, _, ok := r.history.resolve(commit)
	if !ok {
		return 0, false
	}
	return int(r.history.commits.at(n).generation), true
}
