package repo

// Stats are numbers for whoever watches a repository at work.
type Stats struct {
	Commits int64 // that the writer made since Open
	Groups  int64 // in which it made them durable
	Queue   int   // updates that wait for it now
	Packs   int   // that could be joined, about; those that were joined to large ones do not count
	Indexed int   // commits that the history holds
}

// Stats is cheap, and may be called at any time.
func (r *Repo) Stats() Stats {
	return Stats{
		Commits: r.commits.Load(), Groups: r.groups.Load(), Queue: r.queue.size(),
		Packs: int(r.packs.Load()), Indexed: r.history.size(),
	}
}
