/*
 * without_mlock.c
 *	  Runs a program to which the kernel refuses, with EPERM, to lock memory, as a
 *	  seccomp profile of a container may:  without_mlock NAME... -- PROGRAM ARGUMENT...
 *
 * The names are those of system calls: see below.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct
{
	const char *name;
	unsigned int number;
}			calls[] =

{
	{"mlock", SYS_mlock},
	{"mlock2", SYS_mlock2},
	{"madvise", SYS_madvise}
};

#define NUM_CALLS (sizeof(calls) / sizeof(calls[0]))

/* From now on the system call fails, for us and our children. */
static int
refuse(unsigned int number)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int
main(int argc, char **argv)
{
	int			n = 1;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
	{
		perror("without_mlock");
		return 1;
	}
	for (; n < argc && strcmp(argv[n], "--") != 0; n++)
	{
		size_t		i = 0;

		while (i < NUM_CALLS && strcmp(calls[i].name, argv[n]) != 0)
			i++;
		if (i == NUM_CALLS || refuse(calls[i].number) != 0)
		{
			fprintf(stderr, "without_mlock: cannot refuse %s: %s\n", argv[n], strerror(errno));
			return 1;
		}
	}
	if (n + 1 >= argc)
		return 1;
	execvp(argv[n + 1], argv + n + 1);
	perror("without_mlock");
	return 1;
}
