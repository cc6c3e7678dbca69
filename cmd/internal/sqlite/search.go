package sqlite

import (
	"context"

	"teamsdlp/actions"
)

// isSearch reports whether a list has a condition that no index is for: then rows are
// read that it does not show.
func isSearch(f actions.Filter) bool {
	return len(f.Digests) > 0 || f.Sender != "" && !objectID.MatchString(f.Sender)
}

// The first and the last number of a list.
const (
	endsOfEntries = `SELECT coalesce((SELECT min(seq) FROM entries), 0), coalesce((SELECT max(seq) FROM entries), -1)`
	endsOfCases   = `SELECT coalesce((SELECT min(last_seq) FROM cases), 0), coalesce((SELECT max(last_seq) FROM cases), -1)`
)

// found returns the page that query selects. A search goes from one stretch of the log to
// the next until the page is full, so that none of its reads is long, whatever it looks
// for, and ends after f.Scan entries.
func found[T any](ctx context.Context, r *Reader, f actions.Filter, s span, ends string, query func(actions.Filter, span) (string, []any, error)) ([]T, error) {
	read := func(f actions.Filter, s span) ([]T, error) {
		text, args, err := query(f, s)
		if err != nil {
			return nil, err
		}
		return list[T](ctx, r, text, args...)
	}
	if !isSearch(f) {
		return read(f, s)
	}
	var first, last int64
	if err := r.row(ctx, ends, nil, &first, &last); err != nil {
		return nil, err
	}
	s.after, s.before = max(s.after, first-1), min(s.before, last+1)
	var page []T
	f.Limit = pageSize(f.Limit)
	for looked := 0; s.after+1 < s.before; {
		if f.Scan > 0 && looked >= f.Scan {
			at := s.before
			if f.After != nil {
				at = s.after
			}
			return page, &actions.SearchStopped{At: at}
		}
		piece := s
		if f.After != nil {
			piece.before = min(s.before, s.after+1+maxPage)
			s.after = piece.before - 1
		} else {
			piece.after = max(s.after, s.before-1-maxPage)
			s.before = piece.after + 1
		}
		some, err := read(f, piece)
		page = append(page, some...)
		if f.Limit -= len(some); err != nil || f.Limit <= 0 {
			return page, err
		}
		looked += maxPage
	}
	return page, nil
}
