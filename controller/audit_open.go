package controller

import (
	"context"
	"time"

	"github.com/waxwing-io/waxwing/audit"
)

// lastLines is how long the copy on standard output may take at the end.
const lastLines = 2 * time.Second

// openAudit opens the audit log of the process, with its metrics and its copy. It does not wait for the log to be usable.
func openAudit(cfg Config) (log *audit.Recorder, counters *auditMetrics, closeLog func() error) {
	var stream *audit.Stream
	var copied func([][]byte)
	dropped := func() int64 { return 0 }
	if cfg.AuditStream != nil {
		stream = audit.NewStream(cfg.AuditStream)
		copied, dropped = stream.Durable, stream.Dropped
	}
	counters = newAuditMetrics(cfg, dropped)
	log = audit.NewRecorder(audit.Config{Store: cfg.AuditStore, Replica: cfg.Replica, Now: cfg.Now, Rand: cfg.Rand, Durable: copied, Observe: counters.observe})
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
