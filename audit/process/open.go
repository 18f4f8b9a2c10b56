package process

import (
	"context"
	"io"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// Config is what the audit log of a process needs. All is required that does not say otherwise.
type Config struct {
	Store audit.Store
	// Status tells how the store does.
	Status func() tiles.Status
	// Replica names the process in every record.
	Replica string
	// Stream gets a copy of every durable record, as a line of JSON; nil for none. What it does not take in time is left out.
	Stream io.Writer
	Now    func() time.Time
	Rand   io.Reader
}

// lastLines is how long the copy on standard output may take at the end.
const lastLines = 2 * time.Second

// Open opens the audit log of the process, with its metrics and its copy. It does not wait for the log to be usable.
func Open(cfg Config) (log *audit.Recorder, counters *Metrics, closeLog func() error) {
	var stream *audit.Stream
	var copied func([][]byte)
	dropped := func() int64 { return 0 }
	if cfg.Stream != nil {
		stream = audit.NewStream(cfg.Stream)
		copied, dropped = stream.Durable, stream.Dropped
	}
	counters = newMetrics(cfg, dropped)
	log = audit.NewRecorder(audit.Config{Store: cfg.Store, Replica: cfg.Replica, Now: cfg.Now, Rand: cfg.Rand, Durable: copied, Observe: counters.observe})
	counters.log = log
	return log, counters, func() error {
		err := log.Close()
		if stream != nil {
			ctx, cancel := context.WithTimeout(context.Background(), lastLines)
			defer cancel()
			stream.Close(ctx)
		}
		return err
	}
}
