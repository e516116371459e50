//go:build !js

package pebble

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// migrations bring a store from the format that is their place in the list, counted from 1, to the next one. Each may be
// cut short anywhere and is then done again from its beginning; HHS-FORMAT is changed once it is durable.
var migrations = []func(*DB) error{
	numberGroups,
}

// migrate brings the store to this program's format, step by step. A newer Pebble format is Pebble's own matter, done
// before.
func (d *DB) migrate(version int, progress Progress) error {
	steps := migrations[version-1:]
	for i, step := range steps {
		progress.tell(Step{Files: i, AllFiles: len(steps)})
		d.guard.log.Info("store is brought to a newer format", "dir", d.dir, "from", version+i, "to", version+i+1)
		if err := step(d); err != nil {
			return fmt.Errorf("bring from format %d to %d: %w", version+i, version+i+1, err)
		}
		if err := writeFormat(d.guard, d.dir, version+i+1); err != nil {
			return fmt.Errorf("write format %d: %w", version+i+1, err)
		}
	}
	if len(steps) > 0 {
		progress.tell(Step{Files: len(steps), AllFiles: len(steps)})
	}
	return d.guard.failure()
}

// numberGroups, 1 to 2: groups are numbered (see groupKey) from the first one of this format on.
func numberGroups(d *DB) error {
	if d.group > 0 {
		return nil // done, and cut short after it
	}
	if err := d.db.Set(groupKey, groupValue(1, 0), pebble.Sync); err != nil {
		return err
	}
	d.group, d.synced = 1, 1
	return d.advance()
}
