package site

import (
	"context"
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru/v2"

	"cms/advice"
	"cms/auth"
	"cms/preview"
)

// Of how many texts their blocks and the advice on them are kept, and of how long ones.
const (
	maxLooks = 512
	maxLook  = 16 << 10 // bytes
)

// looks keep what was made of texts that were looked at lately, by what they are: a form
// is opened more often than its text is changed.
type looks struct {
	blocks *lru.Cache[[sha256.Size]byte, *preview.Page]
	advice *lru.Cache[[sha256.Size]byte, []advice.Finding]
}

func newLooks() looks {
	blocks, _ := lru.New[[sha256.Size]byte, *preview.Page](maxLooks) // a positive size is no error
	found, _ := lru.New[[sha256.Size]byte, []advice.Finding](maxLooks)
	return looks{blocks, found}
}

// lookedAt is what look makes of a text and what it is asked with, or has made of them
// before.
func lookedAt[T any](kept *lru.Cache[[sha256.Size]byte, T], text, with string, look func() (T, error)) (T, error) {
	if len(text) > maxLook {
		return look()
	}
	key := sha256.Sum256([]byte(with + "\x00" + text))
	if known, ok := kept.Get(key); ok {
		return known, nil
	}
	made, err := look()
	if err == nil {
		kept.Add(key, made)
	}
	return made, err
}

// Blocks are the blocks that a Markdown text is made of, with the HTML that [Site.Preview]
// has for each, for whoever may preview. They are shared, and must not be changed. It ends
// with ctx.
func (s *Site) Blocks(ctx context.Context, pr *auth.Principal, markdown string) (*preview.Page, error) {
	if err := s.MayPreview(pr); err != nil {
		return nil, err
	}
	page, err := lookedAt(s.looks.blocks, markdown, "", func() (*preview.Page, error) { return s.preview.Blocks(ctx, markdown) })
	return page, notShown(err)
}

// Advice is what could be better in a text in a language, whose blocks page has. It is
// shared, and must not be changed.
func (s *Site) Advice(ctx context.Context, markdown string, page *preview.Page, language string) ([]advice.Finding, error) {
	return lookedAt(s.looks.advice, markdown, language, func() ([]advice.Finding, error) {
		return advice.Check(ctx, markdown, page, advice.Options{Language: language, Off: s.adviceOff})
	})
}
