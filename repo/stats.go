package repo

// Stats are numbers for whoever watches a repository at work.
type Stats struct {
	Commits int64 // that the writer made since Open
	Groups  int64 // in which it made them durable
	Queue   int   // updates that wait for it now
	Packs   int   // about how many are small enough to be repacked
	Kept    int   // obsolete packs, whose objects were repacked and which stay for their grace period
	Held    int   // packs that are neither repacked nor removed, because a multi-pack-index names them
	Indexed int   // commits that the history holds

	RepackFailures int64 // how often repacking failed since Open

	Remote RemoteState
}

// Stats is cheap, but for what is not pushed, and may be called at any time.
func (r *Repo) Stats() Stats {
	return Stats{
		Commits: r.commits.Load(), Groups: r.groups.Load(), Queue: r.queue.size(),
		Packs: int(r.packs.Load()), Kept: int(r.repacker.obsoleteCount.Load()), Held: int(r.repacker.pinned.Load()),
		Indexed: r.history.size(), RepackFailures: r.failures.Load(),
		Remote: r.Remote(),
	}
}
