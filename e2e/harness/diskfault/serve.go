//go:build linux && (amd64 || arm64)

package diskfault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// question is struct seccomp_notif, answer struct seccomp_notif_resp of linux/seccomp.h.
type question struct {
	id     uint64
	thread uint32
	_      uint32
	number int32
	_      uint32
	_      uint64
	args   [6]uint64
}

type answer struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// ready waits until fd can be read; it is false at the end of the Disk, or when fd has no other side any more.
func (d *Disk) ready(fd int) bool {
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(d.stop[0]), Events: unix.POLLIN}}
		switch _, err := unix.Poll(fds, -1); {
		case errors.Is(err, unix.EINTR):
		case err != nil || fds[1].Revents != 0:
			return false
		default:
			return fds[0].Revents&unix.POLLIN != 0
		}
	}
}

// accept takes the descriptors that launched programs hand over.
func (d *Disk) accept(socket int) {
	defer unix.Close(socket)
	for d.ready(socket) {
		conn, _, err := unix.Accept4(socket, unix.SOCK_CLOEXEC)
		if err != nil {
			continue
		}
		listener, err := received(conn)
		_ = unix.Close(conn)
		if err != nil {
			continue // the launcher says what happened
		}
		d.wait.Go(func() { d.serve(listener) })
	}
}

func received(conn int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(conn, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return 0, err
	}
	if len(messages) != 1 {
		return 0, errors.New("no descriptor came")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}

// serve answers the questions of one program until it ends.
func (d *Disk) serve(listener int) {
	defer unix.Close(listener)
	calls := watched()
	for d.ready(listener) {
		q := question{} // the kernel wants zeros
		if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&q)); err != nil {
			continue // whoever asked was killed
		}
		a := answer{id: q.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if errno := d.decide(q.call(calls[int(q.number)])); errno != 0 {
			a = answer{id: q.id, errno: -int32(errno)}
		}
		_ = ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)) // it fails when whoever asked was killed
	}
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		switch _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// call reads what is asked about from the program's memory and descriptors. What cannot be read is left empty: the call then is of no file of the Disk.
func (q *question) call(s shape) Call {
	c := Call{Name: s.name, Changes: s.changes, Creates: s.creates}
	if s.path == none {
		c.Path = q.descriptor(int32(q.args[0]))
		return c
	}
	c.Path = q.file(s.at, s.path)
	if s.to != 0 {
		c.To = q.file(s.toAt, s.to)
	}
	if s.flags != 0 {
		c.opens(q.args[s.flags])
	}
	if s.mode != 0 {
		c.Changes = q.args[s.mode]&unix.W_OK != 0
	}
	if s.how != 0 {
		if b := q.memory(q.args[s.how], 8); len(b) == 8 {
			c.opens(binary.NativeEndian.Uint64(b))
		}
	}
	return c
}

// file is the path in an argument.
func (q *question) file(at, path int) string {
	raw := q.memory(q.args[path], unix.PathMax)
	end := bytes.IndexByte(raw, 0)
	if end < 0 {
		return ""
	}
	name := string(raw[:end])
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	folder := int32(unix.AT_FDCWD)
	if at != none {
		folder = int32(q.args[at])
	}
	return filepath.Join(q.descriptor(folder), name)
}

// descriptor is the file behind a descriptor.
func (q *question) descriptor(fd int32) string {
	link := fmt.Sprintf("/proc/%d/fd/%d", q.thread, fd)
	if fd == unix.AT_FDCWD {
		link = fmt.Sprintf("/proc/%d/cwd", q.thread)
	}
	path, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(path, " (deleted)")
}

// memory reads up to n bytes, page by page because what follows a page may not be there.
func (q *question) memory(address uint64, n int) []byte {
	page := uint64(syscall.Getpagesize())
	var all []byte
	for len(all) < n {
		b := make([]byte, min(uint64(n-len(all)), page-address%page))
		local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
		got, err := unix.ProcessVMReadv(int(q.thread), local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(b)}}, 0)
		if err != nil || got == 0 {
			break
		}
		all, address = append(all, b[:got]...), address+uint64(got)
		if n == unix.PathMax && bytes.IndexByte(b[:got], 0) >= 0 {
			break
		}
	}
	return all
}
