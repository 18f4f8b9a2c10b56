//go:build linux && (amd64 || arm64)

package diskfault

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketEnv names the abstract socket of the Disk.
const socketEnv = "WAXWING_DISKFAULT_SOCKET"

// Launch returns at once in a test process. In a process that Disk.Command describes it becomes the program and does not return.
func Launch() {
	socket := os.Getenv(socketEnv)
	if socket == "" {
		return
	}
	fmt.Fprintf(os.Stderr, "diskfault: %v\n", launch(socket, os.Args[1:]))
	os.Exit(1)
}

// launch puts itself under the filter, hands over the descriptor of the questions, and executes the program.
func launch(socket string, command []string) error {
	if len(command) == 0 {
		return errors.New("no program")
	}
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, socketEnv+"=") {
			env = append(env, kv)
		}
	}
	// The filter is this thread's alone, and the thread that executes is the one that stays.
	runtime.LockOSThread()
	conn, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(conn, &unix.SockaddrUnix{Name: socket}); err != nil {
		return fmt.Errorf("connecting to the test: %w", err)
	}
	listener, err := install()
	if err != nil {
		return err
	}
	// From here on calls of this thread may wait for the test: nothing but the two that are left.
	if err := unix.Sendmsg(conn, []byte{0}, unix.UnixRights(listener), nil, 0); err != nil {
		return fmt.Errorf("handing over the listener: %w", err)
	}
	return fmt.Errorf("%s: %w", command[0], syscall.Exec(command[0], command, env))
}
