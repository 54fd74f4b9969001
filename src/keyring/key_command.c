/*
 * key_command.c
 *	  Runs the command whose standard output is the keyring.
 *
 * In the reload worker each wait is one for the latch, so that a shutdown or
 * the death of the postmaster ends it, whatever the command does.  The command
 * has a process group of its own there, and who gives it up kills the whole
 * group.  Only what left the group, like a daemon, stays.
 *
 * The postmaster runs the command while it preloads us.  It has no latch to
 * wait for then, and nothing else to do, so it waits until the command has
 * ended.  The command stays in the postmaster's group, because only that may
 * ask somebody at a terminal.
 *
 * The text goes from the pipe into the caller's guarded memory.  No buffer in
 * between has a copy.
 */
#include "postgres.h"
#include "base/compat.h"

#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "keyring/keyring.h"

/* How long to wait for what was killed, in steps that a signal cuts short */
#define KILLED_STEP_MS	10
#define KILLED_STEPS	200

typedef struct KeyCommand
{
	pid_t		pid;			/* its shell; 0 if there is none to wait for */
	int			output;			/* our end of the pipe; -1 if it is closed */
	char	   *text;			/* what it has written */
	size_t		size;
	size_t		len;
} KeyCommand;

/* What a crash of the server leaves nobody to wait for; 0 if there is none */
static volatile sig_atomic_t group_in_worker = 0;

/* A child has ended: the next look will tell. */
static void
handle_sigchld(SIGNAL_ARGS)
{
	int			save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

/*
 * An immediate shutdown, or a crash of another process.  The postmaster signals
 * the worker's process group, which the command is not in.
 */
static void
handle_sigquit(SIGNAL_ARGS)
{
	if (group_in_worker != 0)
		(void) kill(-group_in_worker, SIGKILL);
	SignalHandlerForCrashExit(TARX_KEYS_SIGNAL_ARGS);
}

/* Call in the worker, before its first command. */
void
tarx_keys_key_command_signals(void)
{
	pqsignal(SIGCHLD, handle_sigchld);
	pqsignal(SIGQUIT, handle_sigquit);
}

/* Our signals wait until handle_sigquit() knows whom it has to kill. */
static int
spawn_shell(KeyCommand *command, const char *line,
			const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes)
{
	char	   *argv[] = {"sh", "-c", unconstify(char *, line), NULL};
	sigset_t	all;
	sigset_t	saved;
	pid_t		pid;
	int			error;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &saved);
	error = posix_spawn(&pid, "/bin/sh", actions, attributes, argv, environ);
	if (error == 0)
	{
		command->pid = pid;
		if (IsUnderPostmaster)
			group_in_worker = pid;
	}
	sigprocmask(SIG_SETMASK, &saved, NULL);
	return error;
}

/*
 * Start a shell whose standard output is "output", and whose signals are as if
 * no server had changed them.  Returns an errno, 0 if all is well.
 */
static int
start_shell(KeyCommand *command, const char *line, int output)
{
	short		flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	sigset_t	all;
	sigset_t	none;
	int			error;

	sigfillset(&all);
	sigemptyset(&none);
	if (IsUnderPostmaster)
		flags |= POSIX_SPAWN_SETPGROUP; /* the default group is a new one */
	(void) posix_spawnattr_init(&attributes);
	(void) posix_spawnattr_setflags(&attributes, flags);
	(void) posix_spawnattr_setsigdefault(&attributes, &all);
	(void) posix_spawnattr_setsigmask(&attributes, &none);
	(void) posix_spawn_file_actions_init(&actions);
	error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (error == 0)
		error = spawn_shell(command, line, &actions, &attributes);
	(void) posix_spawn_file_actions_destroy(&actions);
	(void) posix_spawnattr_destroy(&attributes);
	return error;
}

/*
 * Neither end of the pipe gets into the command, other than as its standard
 * output: a command that keeps an end open would keep us waiting for the last
 * of it.
 */
static TarxKeysKeyringProblem
start_command(KeyCommand *command, const char *line)
{
	int			ends[2];
	int			error;

	if (pipe2(ends, O_CLOEXEC) != 0)
	{
		ereport(LOG,
				(errmsg("tarx_keys: could not create a pipe for the master key command: %m")));
		return TARX_KEYS_KEYRING_COMMAND_FAILED;
	}
	command->output = ends[0];
	error = start_shell(command, line, ends[1]);
	close(ends[1]);
	if (error != 0)
	{
		errno = error;
		ereport(LOG,
				(errmsg("tarx_keys: could not start the master key command: %m")));
		return TARX_KEYS_KEYRING_COMMAND_FAILED;
	}
	return TARX_KEYS_KEYRING_OK;
}

/*
 * In the worker: wait until the command may have written, or may have ended.
 * False if it is to be given up.  All waits are here.
 */
static bool
wait_for_command(const KeyCommand *command)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	/* a pipe at its end is readable all the time, so it is closed by then */
	if (command->output >= 0)
		events |= WL_SOCKET_READABLE;
	(void) WaitLatchOrSocket(MyLatch, events, command->output, -1, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return !ShutdownRequestPending;
}

/* Read to the end of the output.  A text that fills all of the memory is too long. */
static TarxKeysKeyringProblem
read_output(KeyCommand *command)
{
	ssize_t		got;

	/* in the worker only: elsewhere read() is the wait */
	if (IsUnderPostmaster && !pg_set_noblock(command->output))
		return TARX_KEYS_KEYRING_COMMAND_FAILED;
	while ((got = read(command->output, command->text + command->len,
					   command->size - command->len)) != 0)
	{
		if (got > 0)
		{
			command->len += (size_t) got;
			if (command->len == command->size)
				return TARX_KEYS_KEYRING_TOO_LONG;
		}
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
		{
			if (!wait_for_command(command))
				return TARX_KEYS_KEYRING_COMMAND_FAILED;
		}
		else if (errno != EINTR)
			return TARX_KEYS_KEYRING_COMMAND_FAILED;
	}
	close(command->output);
	command->output = -1;
	return TARX_KEYS_KEYRING_OK;
}

/*
 * Wait for the end of a command that has closed its output.  In the worker
 * SIGCHLD sets the latch, so the end cannot be missed between looking and
 * waiting.
 */
static TarxKeysKeyringProblem
read_status(KeyCommand *command)
{
	int			status;
	pid_t		ended;

	while ((ended = waitpid(command->pid, &status, IsUnderPostmaster ? WNOHANG : 0)) <= 0)
	{
		if (ended < 0 && errno != EINTR)
			return TARX_KEYS_KEYRING_COMMAND_FAILED;
		if (ended == 0 && !wait_for_command(command))
			return TARX_KEYS_KEYRING_COMMAND_FAILED;
	}
	group_in_worker = 0;
	command->pid = 0;
	if (status != 0)
	{
		char	   *reason = wait_result_to_str(status);

		ereport(LOG,
				(errmsg("tarx_keys: master key command failed: %s", reason)));
		pfree(reason);
		return TARX_KEYS_KEYRING_COMMAND_FAILED;
	}
	return TARX_KEYS_KEYRING_OK;
}

/*
 * Kill the command and reap it.
 *
 * In the worker that is its whole group.  Those whose parent is killed as well
 * become our children for that time: else they would be process 1's, which is
 * the postmaster in a container, and it takes a child that was killed for a
 * crash.  A process that the kernel does not let die is left behind.
 */
static void
kill_command(KeyCommand *command)
{
	pid_t		target = IsUnderPostmaster ? -command->pid : command->pid;

	if (IsUnderPostmaster)
		(void) prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
	(void) kill(target, SIGKILL);
	for (int step = 0; step < KILLED_STEPS; step++)
	{
		pid_t		ended = waitpid(target, NULL, WNOHANG);

		if (ended < 0 && errno != EINTR)
			break;				/* none is left */
		if (ended == 0)
			pg_usleep(KILLED_STEP_MS * 1000L);
	}
	if (IsUnderPostmaster)
		(void) prctl(PR_SET_CHILD_SUBREAPER, 0L, 0L, 0L, 0L);
	group_in_worker = 0;
	command->pid = 0;
}

/* Leave nothing of a command that did not succeed, nor of its text. */
static void
give_up_command(int code pg_attribute_unused(), Datum arg)
{
	KeyCommand *command = (KeyCommand *) DatumGetPointer(arg);

	if (command->output >= 0)
		close(command->output);
	command->output = -1;
	if (command->pid != 0)
		kill_command(command);
	sodium_memzero(command->text, command->size);
}

/*
 * Run a command and read what it prints into memory of this size, which is
 * wiped if that fails.  If it was given up for a shutdown,
 * ShutdownRequestPending says so.
 */
TarxKeysKeyringProblem
tarx_keys_key_command_read(const char *command, char *text, size_t size, size_t *len)
{
	KeyCommand	running = {.output = -1, .size = size};
	TarxKeysKeyringProblem problem;

	running.text = text;
	/* the cleanup is for errors, and for the exit when the postmaster died */
	PG_ENSURE_ERROR_CLEANUP(give_up_command, PointerGetDatum(&running));
	{
		problem = start_command(&running, command);
		if (problem == TARX_KEYS_KEYRING_OK)
			problem = read_output(&running);
		if (problem == TARX_KEYS_KEYRING_OK)
			problem = read_status(&running);
	}
	PG_END_ENSURE_ERROR_CLEANUP(give_up_command, PointerGetDatum(&running));
	if (problem != TARX_KEYS_KEYRING_OK)
		give_up_command(0, PointerGetDatum(&running));
	*len = running.len;
	return problem;
}
