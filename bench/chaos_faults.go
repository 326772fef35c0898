package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockEnv is the variable that names the file with the seconds by which a
// service built for chaos is ahead of the time.
const clockEnv = "CMS_CHAOS_CLOCK"

// clockOffsets are by how far the clock of the service is off.
var clockOffsets = []time.Duration{0, 0, -time.Hour, time.Hour, -400 * 24 * time.Hour, 30 * 24 * time.Hour, 76 * 365 * 24 * time.Hour}

// disturb marks the time in which a service may fail to answer.
func (c *chaos) disturb(what string, do func() error) error {
	c.process.Lock()
	defer c.process.Unlock()
	c.epoch.Add(1)
	defer c.epoch.Add(1)
	c.count(what)
	return do()
}

// startService starts the service anew, in a folder of its own.
func (c *chaos) startService(ctx context.Context) error {
	c.starts++
	work := filepath.Join(c.dir, fmt.Sprintf("start-%04d", c.starts))
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	svc, took, err := c.startWith(ctx, work, func(addr, debug string) []byte {
		return fmt.Appendf(nil, chaosConfiguration, addr, debug, c.repository, c.repository)
	})
	if err != nil {
		return err
	}
	c.slowest = max(c.slowest, took)
	c.service.Store(svc)
	return nil
}

// stopService ends it by a signal, and wants it to have lived until then.
func (c *chaos) stopService(sig syscall.Signal) error {
	svc := c.service.Load()
	defer svc.log.Close()
	if err := svc.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	late := time.AfterFunc(time.Minute, func() { _ = svc.cmd.Process.Kill() })
	err := svc.cmd.Wait()
	if !late.Stop() {
		return fmt.Errorf("the service does not end within a minute of %s, see %s", sig, svc.log.Name())
	}
	status, ok := svc.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if killed := ok && status.Signaled() && status.Signal() == sig; !killed && (err != nil || sig == syscall.SIGKILL) {
		return fmt.Errorf("the service ended by itself: %s, see %s", svc.cmd.ProcessState, svc.log.Name())
	}
	said, err := os.ReadFile(svc.log.Name())
	if err == nil && strings.Contains(string(said), "panic") {
		err = fmt.Errorf("the service panicked, see %s", svc.log.Name())
	}
	return err
}

// injectFaults kills the service, and takes room and descriptors from it, until ctx
// ends.
func (c *chaos) injectFaults(ctx context.Context) {
	kinds := c.among("kill", "disk", "kill", "files", "kill", "stop") // in turn, so that a short run has all
	for n := 0; len(kinds) > 0 && ctx.Err() == nil; n++ {
		rest(ctx, 2*time.Second+upTo(3*time.Second))
		if ctx.Err() != nil {
			return
		}
		kind, alive := kinds[n%len(kinds)], context.WithoutCancel(ctx)
		err := c.disturb(kind, func() error {
			switch kind {
			case "disk":
				return c.limited(ctx, "fsize", []int{0, 512, 4096, 65536}[roll(4)])
			case "files":
				open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.service.Load().cmd.Process.Pid))
				return errors.Join(err, c.limited(ctx, "nofile", len(open)+roll(4)))
			case "stop":
				return errors.Join(c.stopService(syscall.SIGTERM), c.startService(alive))
			}
			return errors.Join(c.stopService(syscall.SIGKILL), c.startService(alive))
		})
		if err != nil {
			c.fail(fmt.Errorf("%s: %w", kind, err))
		}
	}
}

// limited sets a limit of the service's process for a moment, and lets it then be
// killed now and then while it has it.
func (c *chaos) limited(ctx context.Context, what string, most int) error {
	pid := strconv.Itoa(c.service.Load().cmd.Process.Pid)
	alive := context.WithoutCancel(ctx)
	before, err := command(alive, "", "prlimit", "--pid", pid, "--"+what, "--output", "SOFT", "--noheadings")
	if err != nil {
		return err
	}
	set := func(to string) error { // the soft limit, which can be taken back
		_, err := command(alive, "", "prlimit", "--pid", pid, "--"+what+"="+to+":")
		return err
	}
	if err := set(strconv.Itoa(most)); err != nil {
		return err
	}
	rest(ctx, 200*time.Millisecond+upTo(time.Second))
	if c.with("kill") && roll(3) == 0 && ctx.Err() == nil {
		c.count("kill while limited")
		return errors.Join(c.stopService(syscall.SIGKILL), c.startService(alive))
	}
	if err := set(strings.TrimSpace(before)); err != nil {
		return err
	}
	return c.ready(alive)
}

// ready waits until the service is.
func (c *chaos) ready(ctx context.Context) error {
	return c.await(ctx, "the service is not ready", func() bool {
		_, err := c.service.Load().get(ctx, c.observer, c.service.Load().url+"/readyz")
		return err == nil
	})
}

// await waits for a condition for a minute at most.
func (c *chaos) await(ctx context.Context, otherwise string, holds func() bool) error {
	for began := time.Now(); !holds(); rest(ctx, 20*time.Millisecond) {
		if time.Since(began) > time.Minute {
			return errors.New(otherwise + " within a minute")
		}
	}
	return nil
}

// moveClock sets the clock of the service, again and again.
func (c *chaos) moveClock(ctx context.Context) {
	for ctx.Err() == nil {
		by := clockOffsets[roll(len(clockOffsets))]
		c.count("clock")
		if err := c.setClock(by); err != nil {
			c.fail(err)
		}
		rest(ctx, upTo(4*time.Second))
	}
}

func (c *chaos) setClock(ahead time.Duration) error {
	name := os.Getenv(clockEnv)
	if err := os.WriteFile(name+".new", []byte(strconv.Itoa(int(ahead.Seconds()))), 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
