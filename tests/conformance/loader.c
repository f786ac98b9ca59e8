/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload of CVE-2019-5736: an image whose program is /proc/self/exe, that is the runtime's own file, and
 * whose program loader is this. It runs with the host's file behind /proc/self/exe and tells whether a
 * descriptor of that could be opened for writing once the host's program has ended (until then ETXTBSY):
 * "exposed", or "protected" by a read-only mount or a seal. No library: a loader gets the auxiliary vector of
 * another program, which a C library would mistake for its own.
 */
#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

void start(void);

#if defined(__x86_64__)
static long call(long number, long a, long b, long c)
{
	register long result __asm__("rax") = number;

	__asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
#endif

#define SAY(text) ((void)call(SYS_write, 1, (long)(text), (long)sizeof(text) - 1))

void start(void)
{
	static const char own_file[] = "/proc/self/exe";
	static struct statfs status; /* too large for a stack that nobody has measured */
	long fd = call(SYS_openat, AT_FDCWD, (long)own_file, O_RDONLY);
	long seals = call(SYS_fcntl, fd, F_GET_SEALS, 0);
	int read_only = call(SYS_fstatfs, fd, (long)&status, 0) == 0 && (status.f_flags & ST_RDONLY);

	if (fd < 0)
		SAY("unreadable\n");
	else if (read_only || (seals > 0 && (seals & F_SEAL_WRITE)))
		SAY("protected\n");
	else
		SAY("exposed\n");
	(void)call(SYS_exit_group, 0, 0, 0);
}
