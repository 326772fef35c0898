package api

// Made is how many parts of what happened were read and encoded for streams.
func (a *API) Made() int64 { return a.streams.made.Load() }

// Opened is how many streams are open.
func (a *API) Opened() int { return a.streams.opened() }

// MaxTold bounds the bytes that streams hold of what they are told.
const MaxTold = maxTold

// RoomIsWhole says whether all the room for what streams are told can be had, once what
// is kept for nobody is dropped.
func (a *API) RoomIsWhole() bool {
	for {
		a.streams.mu.Lock()
		name, t, found := a.streams.idle.RemoveOldest()
		delete(a.streams.told, name)
		a.streams.mu.Unlock()
		if !found {
			break
		}
		a.streams.room.Release(t.weight)
	}
	if !a.streams.room.TryAcquire(maxTold) {
		return false
	}
	a.streams.room.Release(maxTold)
	return true
}
