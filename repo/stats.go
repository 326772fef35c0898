package repo

// Stats are numbers for whoever watches a repository at work.
type Stats struct {
	Commits int64 // that the writer made since Open
	Groups  int64 // in which it made them durable
	Queue   int   // updates that wait for it now
	Packs   int   // that could be repacked, about; those that were repacked to large ones do not count
	Kept    int   // packs that were repacked, and stay for a while for those who read them
	Held    int   // packs that are neither joined nor removed, because Git's index over several packs names them
	Indexed int   // commits that the history holds

	JoinFailures int64 // how often packs could not be repacked or removed since Open
}

// Stats is cheap, and may be called at any time.
func (r *Repo) Stats() Stats {
	return Stats{
		Commits: r.commits.Load(), Groups: r.groups.Load(), Queue: r.queue.size(),
		Packs: int(r.packs.Load()), Kept: int(r.repacker.obsoleteCount.Load()), Held: int(r.repacker.pinned.Load()),
		Indexed: r.history.size(), JoinFailures: r.failures.Load(),
	}
}
