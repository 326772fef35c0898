package repo

import "iter"

// An Edition is the entries of a collection at one moment. It never changes and
// may be kept. The zero Edition has no entries.
type Edition struct{ table table }

// Edition is that of a collection in the snapshot.
func (s *Snapshot) Edition(collection string) Edition {
	if l := s.listings[collection]; l != nil {
		return Edition{l.table}
	}
	return Edition{}
}

// Edition is that of a collection as it is after what was done so far.
func (tx *Tx) Edition(collection string) Edition { return Edition{tx.tables[collection]} }

// Len is how many entries there are.
func (e Edition) Len() int { return e.table.size }

// Since yields the entries in which e and another edition of the same collection
// differ, and whether e is the one that has not got them. An entry that changed
// is yielded twice, first as the one that is gone. What both share costs next to
// nothing.
func (e Edition) Since(other Edition) iter.Seq2[*Entry, bool] {
	return other.table.differences(e.table)
}
