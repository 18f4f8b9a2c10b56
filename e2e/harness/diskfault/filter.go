//go:build linux && (amd64 || arm64)

package diskfault

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data of linux/seccomp.h.
const (
	offsetNumber = 0
	offsetArch   = 4
)

// filter asks the supervisor about the watched calls and allows all others.
func filter() []unix.SockFilter {
	watched := watched()
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	result := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	const equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	program := []unix.SockFilter{
		load(offsetArch),
		{Code: equal, K: arch, Jt: 1},
		result(unix.SECCOMP_RET_ALLOW),
		load(offsetNumber),
	}
	left := len(watched)
	for number := range watched {
		program = append(program, unix.SockFilter{Code: equal, K: uint32(number), Jt: uint8(left)}) // over the others and over "allow"
		left--
	}
	return append(program, result(unix.SECCOMP_RET_ALLOW), result(unix.SECCOMP_RET_USER_NOTIF))
}

// install puts the calling thread, and what it executes, under the filter and gives the descriptor that the kernel's questions come from.
func install() (int, error) {
	program := filter()
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	defer runtime.KeepAlive(program)
	// Whoever is not root may do this only for itself and for programs that cannot gain rights.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("no_new_privs: %w", err)
	}
	set := func(flags uintptr) (int, unix.Errno) {
		fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|flags, uintptr(unsafe.Pointer(&prog)))
		return int(fd), errno
	}
	// Without the flag (before Linux 5.19) a signal, such as those of Go's scheduler, may make a program ask twice about one call.
	fd, errno := set(unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	if errors.Is(errno, unix.EINVAL) {
		fd, errno = set(0)
	}
	if errno != 0 {
		return 0, fmt.Errorf("seccomp: %w", errno)
	}
	return fd, nil
}
