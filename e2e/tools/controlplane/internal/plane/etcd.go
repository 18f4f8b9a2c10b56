package plane

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd runs a single member on free loopback ports.
func (p *Plane) startEtcd(ctx context.Context) error {
	cfg := embed.NewConfig()
	cfg.Dir = filepath.Join(p.cfg.Dir, "etcd")
	cfg.LogLevel = "error"
	cfg.LogOutputs = []string{p.cfg.LogFile}
	// Durability against power loss is under no test; without fsync every write of every test is faster.
	cfg.UnsafeNoFsync = true
	// A single member has nobody to wait for in an election.
	cfg.TickMs, cfg.ElectionMs = 10, 100
	local := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{local}, []url.URL{local}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{local}, []url.URL{local}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)

	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	p.etcd = e
	select {
	case <-e.Server.ReadyNotify():
	case <-e.Server.StopNotify():
		return errors.New("it stopped at once")
	case <-ctx.Done():
		return ctx.Err()
	}
	go func() {
		if err, ok := <-e.Err(); ok {
			p.ended <- fmt.Errorf("etcd ended: %w", err)
		}
	}()
	return nil
}

func (p *Plane) etcdURL() string { return "http://" + p.etcd.Clients[0].Addr().String() }
