// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/LINBIT/golinstor/client"
)

// Counts results and prints them as lines of TAP.
type tap struct {
	scenario  string
	n, failed int
}

func (t *tap) ok(good bool, name string, why any) bool {
	t.n++
	if t.scenario != "" {
		name = t.scenario + ": " + name
	}
	if good {
		fmt.Printf("ok %d - %s\n", t.n, name)
		return true
	}
	t.failed++
	fmt.Printf("not ok %d - %s\n", t.n, name)
	t.note("%s", strings.ReplaceAll(fmt.Sprintf("%+v", why), "\n", "\n# "))
	return false
}

func (t *tap) note(format string, args ...any) {
	fmt.Printf("# "+format+"\n", args...)
}

func (t *tap) eq(got, want any, name string) bool {
	return t.ok(reflect.DeepEqual(got, want), name, fmt.Sprintf("got  %#v\nwant %#v", got, want))
}

// The call was answered with success.
func (t *tap) good(err error, name string) bool {
	return t.ok(err == nil, name, err)
}

// The library says that there is no such thing.
func (t *tap) missing(err error, name string) bool {
	return t.ok(errors.Is(err, client.NotFoundError), name, fmt.Sprintf("got %T %v", err, err))
}

// The call was refused with the number of mask, one of golinstor's constants, and in words.
func (t *tap) refused(err error, mask uint64, name string) bool {
	var entries client.ApiCallError
	worded := errors.As(err, &entries) && len(entries) > 0 && entries[0].Message != ""
	return t.ok(worded && client.IsApiCallError(err, mask), name,
		fmt.Sprintf("got %T %v, codes %v, wanted %d", err, err, codes(entries), mask&0x7fff))
}

func codes(entries client.ApiCallError) (found []int64) {
	for _, e := range entries {
		found = append(found, e.RetCode&0x7fff)
	}
	return found
}

// Asks again until it is so, for ten seconds at most.
func (t *tap) comes(ctx context.Context, name string, is func() bool) bool {
	end := time.Now().Add(10 * time.Second)
	for time.Now().Before(end) && ctx.Err() == nil {
		if is() {
			return t.ok(true, name, "")
		}
		time.Sleep(100 * time.Millisecond)
	}
	return t.ok(false, name, "it has not come")
}

func (t *tap) done() {
	fmt.Printf("1..%d\n", t.n)
	if t.failed > 0 {
		os.Exit(1)
	}
	os.Exit(0)
}
