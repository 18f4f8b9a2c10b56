// Package diskfault makes file system calls of a real program fail, one by one or from some call on, with the errno of choice. The program is not changed and
// needs no rights for it, and neither does the test: the kernel asks the test about each call (seccomp's user notification, Linux 5.5 and later), and the test
// lets it through or answers it.
//
// A test package calls Launch first in its TestMain, makes a Disk for a folder, and starts the program by way of its own test binary:
//
//	disk := diskfault.New(t, dir)
//	path, args, env := disk.Command("/path/of/program", "-flag")
//	… start path with args and env …
//	disk.Hook(diskfault.Full) // from here on that program's disk is full
//	disk.Hook(nil)            // and now it is not
//
// Opening a link on the disk that leads elsewhere is let through: the kernel has the way to it in its memory, as it does when a disk fails.
//
// What it cannot do: break a call in its middle (a write that is cut short), or fail a call that has had its effect. A rename that is done and then not made
// durable is the fsync of its folder that fails. A close that fails leaves the descriptor open in the program, where a real one would have closed it.
package diskfault
