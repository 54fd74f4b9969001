/*
 * key_command.c
 *	  Runs the command whose standard output is the keyring.
 *
 * Every wait ends at the time limit, tarx_keys.master_key_timeout.  In the reload
 * worker each wait is one for the latch as well, so that a shutdown or the death
 * of the postmaster ends it, whatever the command does.
 *
 * The postmaster runs the command while it preloads us.  It does not mind signals
 * yet: in 15 they are blocked, later its handlers only take a note.  So while a
 * command runs it takes those that stop the server from a file descriptor.
 *
 * Nothing of the command stays when its run is over, whether it has succeeded or is
 * given up.  Who runs it adopts what loses its parent meanwhile, so all of it ends
 * up among its children, whatever process group or session it has made for itself.
 * Process 1 gets none of it: in a container that is the postmaster, which takes a
 * child that has failed for a crash of the server.
 *
 * The command has a process group of its own, so that a signal to the server's does
 * not end it.  A postmaster that has a terminal leaves the command in its own group,
 * because only that may ask somebody there.
 *
 * The text goes from the pipe into the caller's guarded memory.  No buffer in
 * between has a copy.  Of what comes by standard error, which may have tokens when
 * somebody debugs, only the first line is kept, and only for the log.
 */
#include "postgres.h"
#include "base/compat.h"

#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "keyring/keyring.h"

/* How long to wait for what was killed, in steps that a signal cuts short */
#define KILLED_STEP_MS	10
#define KILLED_STEPS	200

/* What is read of standard error at a time */
#define ERRORS_BYTES	4096

/* What is read of /proc at a time; what does not fit comes when this has gone */
#define CHILDREN_BYTES	4096

/* A number and a space for each */
typedef struct Children
{
	int			count;
	pid_t		pids[CHILDREN_BYTES / 2];
} Children;

typedef struct KeyCommand
{
	pid_t		pid;			/* its shell; 0 if there is none to wait for */
	int			status;			/* how that has ended, as waitpid() has it */
	bool		at_terminal;	/* where it may ask somebody */
	Children	others;			/* children that the postmaster had before */
	instr_time	started;

	/* -1 if they are closed */
	int			output;			/* our ends of its pipes */
	int			errors;
	int			signals;		/* in the postmaster: those that it takes */
	int			events;			/* an epoll of all of these */
	sigset_t	saved_mask;
	int			stopped_by;		/* the signal that stops the server, or 0 */

	char	   *text;			/* what it has written */
	size_t		size;
	size_t		len;
	TarxKeysFirstLine said;		/* the same by standard error */
	int			elevel;
} KeyCommand;

/* Its process group in the worker, for handle_sigquit(); 0 if there is none */
static volatile sig_atomic_t group_in_worker = 0;

/* A /proc of another PID namespace has other numbers, which are not for kill(). */
static bool
is_our_proc(void)
{
	char		link[16];
	ssize_t		len = readlink("/proc/self", link, sizeof(link));
	pid_t		pid = 0;

	for (ssize_t i = 0; i < len; i++)
		pid = pid * 10 + (link[i] - '0');
	return pid == getpid();
}

/*
 * The children of this process, also those that have ended; -1 of them if
 * /proc does not tell.  Signal handlers call this.
 */
static void
list_children(Children *children)
{
	char		text[CHILDREN_BYTES];
	int			file = is_our_proc() ? open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC) : -1;
	ssize_t		got = file >= 0 ? read(file, text, sizeof(text)) : -1;
	pid_t		pid = 0;

	if (file >= 0)
		close(file);
	children->count = got < 0 ? -1 : 0;
	for (ssize_t i = 0; i < got; i++)
	{
		if (text[i] >= '0' && text[i] <= '9')
			pid = pid * 10 + (text[i] - '0');
		else
		{
			children->pids[children->count++] = pid;
			pid = 0;
		}
	}
}

static bool
is_among(pid_t pid, const Children *children)
{
	for (int i = 0; i < children->count; i++)
		if (children->pids[i] == pid)
			return true;
	return false;
}

/*
 * Kill the children that are not among the others, and reap them; true if there
 * were any.  If /proc does not tell, only the target is known, as kill() has it.
 */
static bool
kill_children(pid_t target, const Children *others)
{
	Children	children;
	bool		found = false;

	list_children(&children);
	if (children.count < 0 || others->count < 0)
		return target != 0 && waitpid(target, NULL, WNOHANG) >= 0;
	for (int i = 0; i < children.count; i++)
	{
		pid_t		pid = children.pids[i];

		if (is_among(pid, others))
			continue;
		(void) kill(pid, SIGKILL);
		if (waitpid(pid, NULL, WNOHANG) >= 0)
			found = true;
	}
	return found;
}

/*
 * Kill all that the command has started, and reap it.  The children of what is
 * killed become ours, so this ends when there is none.  A process that the kernel
 * does not let die, or that has got another user's rights, is left behind.
 */
static void
kill_all(pid_t target, const Children *others)
{
	if (target != 0)
		(void) kill(target, SIGKILL);
	for (int step = 0; step < KILLED_STEPS && kill_children(target, others); step++)
		pg_usleep(KILLED_STEP_MS * 1000L);
}

/* A child has ended: the next look will tell. */
static void
handle_sigchld(SIGNAL_ARGS)
{
	int			save_errno = errno;

	(void) postgres_signal_arg;
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
	static const Children none = {0};

	kill_all(-group_in_worker, &none);
	SignalHandlerForCrashExit(TARX_KEYS_SIGNAL_ARGS);
}

/* Call in the worker, before its first command. */
void
tarx_keys_key_command_signals(void)
{
	pqsignal(SIGCHLD, handle_sigchld);
	pqsignal(SIGQUIT, handle_sigquit);
}

/* Call in the worker, between commands: what could not be killed may have ended. */
void
tarx_keys_key_command_reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static int
spawn_shell(KeyCommand *command, const char *line,
			const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes)
{
	char	   *argv[] = {"sh", "-c", unconstify(char *, line), NULL};
	int			error;

	(void) prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
	error = posix_spawn(&command->pid, "/bin/sh", actions, attributes, argv, environ);
	if (error != 0)
		command->pid = 0;
	else if (IsUnderPostmaster)
		group_in_worker = command->pid;
	return error;
}

/*
 * Start a shell whose standard output and standard error are these, unless they
 * are -1, and whose signals are as if no server had changed them.  Returns an
 * errno, 0 if all is well.
 */
static int
start_shell(KeyCommand *command, const char *line, int output, int errors)
{
	short		flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	sigset_t	all;
	sigset_t	none;
	int			error;

	sigfillset(&all);
	sigemptyset(&none);
	if (!command->at_terminal)
		flags |= POSIX_SPAWN_SETPGROUP; /* the default group is a new one */
	(void) posix_spawnattr_init(&attributes);
	(void) posix_spawnattr_setflags(&attributes, flags);
	(void) posix_spawnattr_setsigdefault(&attributes, &all);
	(void) posix_spawnattr_setsigmask(&attributes, &none);
	(void) posix_spawn_file_actions_init(&actions);
	error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (error == 0 && errors >= 0)
		error = posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
	if (error == 0)
		error = spawn_shell(command, line, &actions, &attributes);
	(void) posix_spawn_file_actions_destroy(&actions);
	(void) posix_spawnattr_destroy(&attributes);
	return error;
}

static bool
watch(const KeyCommand *command, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(command->events, EPOLL_CTL_ADD, fd, &event) == 0;
}

/*
 * A pipe from the command to us.  Neither end gets into the command, other than as
 * what it writes to: a command that keeps an end open would keep us waiting for
 * the last of it.
 */
static bool
open_pipe(const KeyCommand *command, int *ours, int *its)
{
	int			ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	*ours = ends[0];
	*its = ends[1];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0 && watch(command, *ours);
}

/* In the postmaster: keep signals that stop the server for wait_for_command(). */
static bool
catch_signals(KeyCommand *command)
{
	sigset_t	caught;

	sigemptyset(&caught);
	sigaddset(&caught, SIGTERM);
	sigaddset(&caught, SIGINT);
	sigaddset(&caught, SIGQUIT);
	sigaddset(&caught, SIGCHLD);
	sigprocmask(SIG_BLOCK, &caught, NULL);
	command->signals = signalfd(-1, &caught, SFD_NONBLOCK | SFD_CLOEXEC);
	return command->signals >= 0 && watch(command, command->signals);
}

/* At a terminal standard error is the terminal, where somebody reads questions. */
static bool
open_channels(KeyCommand *command, int *output, int *errors)
{
	command->events = epoll_create1(EPOLL_CLOEXEC);
	return command->events >= 0 &&
		(IsUnderPostmaster || catch_signals(command)) &&
		open_pipe(command, &command->output, output) &&
		((command->at_terminal && isatty(STDERR_FILENO)) ||
		 open_pipe(command, &command->errors, errors));
}

static TarxKeysKeyringProblem
start_command(KeyCommand *command, const char *line)
{
	int			output = -1;
	int			errors = -1;
	int			error;

	command->at_terminal = !IsUnderPostmaster && isatty(STDIN_FILENO);
	INSTR_TIME_SET_CURRENT(command->started);
	error = !open_channels(command, &output, &errors) ? errno :
		start_shell(command, line, output, errors);
	if (output >= 0)
		close(output);
	if (errors >= 0)
		close(errors);
	if (error == 0)
		return TARX_KEYS_KEYRING_OK;
	errno = error;
	ereport(command->elevel,
			(errmsg("tarx_keys: could not start the master key command: %m")));
	return TARX_KEYS_KEYRING_COMMAND_FAILED;
}

/* What is left of the time limit, in milliseconds */
static long
time_left(const KeyCommand *command)
{
	instr_time	passed;

	INSTR_TIME_SET_CURRENT(passed);
	INSTR_TIME_SUBTRACT(passed, command->started);
	return tarx_keys_setting_key_timeout() * 1000L - (long) INSTR_TIME_GET_MILLISEC(passed);
}

/* In the worker: false if the server shuts down. */
static bool
wait_in_worker(const KeyCommand *command, long timeout)
{
	(void) WaitLatchOrSocket(MyLatch,
							 WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 command->events, timeout, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return !ShutdownRequestPending;
}

/* In the postmaster: false if somebody stops the server. */
static bool
wait_in_postmaster(KeyCommand *command, long timeout)
{
	struct epoll_event event;
	struct signalfd_siginfo info;

	(void) epoll_wait(command->events, &event, 1, (int) timeout);
	if (read(command->signals, &info, sizeof(info)) == sizeof(info) &&
		info.ssi_signo != SIGCHLD)
		command->stopped_by = (int) info.ssi_signo;
	return command->stopped_by == 0;
}

/*
 * Wait until the command may have written, or may have ended.  All waits are here.
 * What is at its end has been closed by then, because that is readable all the
 * time.
 */
static TarxKeysKeyringProblem
wait_for_command(KeyCommand *command)
{
	long		timeout = time_left(command);

	if (timeout <= 0)
	{
		ereport(command->elevel,
				(errmsg("tarx_keys: master key command has not ended within %d s, and is killed",
						tarx_keys_setting_key_timeout())));
		return TARX_KEYS_KEYRING_COMMAND_TIMEOUT;
	}
	return (IsUnderPostmaster ? wait_in_worker(command, timeout) : wait_in_postmaster(command, timeout)) ?
		TARX_KEYS_KEYRING_OK : TARX_KEYS_KEYRING_COMMAND_FAILED;
}

static void
close_channel(int *channel)
{
	if (*channel >= 0)
		close(*channel);
	*channel = -1;
}

/* Read what is there by now; closed at its end.  -1 if that fails. */
static ssize_t
read_channel(int *channel, char *buffer, size_t size)
{
	ssize_t		got = *channel >= 0 ? read(*channel, buffer, size) : 0;

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	if (got <= 0)
		close_channel(channel);
	return got;
}

/* A text that fills all of the memory is too long. */
static TarxKeysKeyringProblem
read_output(KeyCommand *command)
{
	ssize_t		got = read_channel(&command->output, command->text + command->len,
								   command->size - command->len);

	if (got < 0)
		return TARX_KEYS_KEYRING_COMMAND_FAILED;
	command->len += (size_t) got;
	return command->len == command->size ? TARX_KEYS_KEYRING_TOO_LONG : TARX_KEYS_KEYRING_OK;
}

/* It is read to its end, also where nobody looks at it, so that no command has to wait. */
static void
read_errors(KeyCommand *command)
{
	char		piece[ERRORS_BYTES];
	ssize_t		got = read_channel(&command->errors, piece, sizeof(piece));

	if (got > 0)
		tarx_keys_first_line_add(&command->said, piece, (size_t) got);
	sodium_memzero(piece, sizeof(piece));
}

/* SIGCHLD ends a wait, so the end cannot be missed between looking and waiting. */
static bool
is_running(KeyCommand *command)
{
	pid_t		ended = waitpid(command->pid, &command->status, WNOHANG);

	if (ended == 0)
		return true;
	if (ended < 0)
		command->status = -1;	/* nobody knows */
	group_in_worker = 0;
	command->pid = 0;
	return false;
}

/*
 * Read what the command says until its output has ended, and then the command.
 * Something else may have its standard error for longer.
 */
static TarxKeysKeyringProblem
read_command(KeyCommand *command)
{
	TarxKeysKeyringProblem problem = TARX_KEYS_KEYRING_OK;

	while (problem == TARX_KEYS_KEYRING_OK && (command->output >= 0 || is_running(command)))
	{
		problem = wait_for_command(command);
		if (problem == TARX_KEYS_KEYRING_OK)
			problem = read_output(command);
		read_errors(command);
	}
	read_errors(command);		/* its last words */
	if (problem == TARX_KEYS_KEYRING_OK && command->status != 0)
	{
		ereport(command->elevel,
				(errmsg("tarx_keys: master key command failed: %s",
						wait_result_to_str(command->status))));
		return TARX_KEYS_KEYRING_COMMAND_FAILED;
	}
	return problem;
}

static void
log_errors(const KeyCommand *command)
{
	if (command->said.len > 0)
		ereport(command->elevel,
				(errmsg("tarx_keys: master key command wrote to its standard error: \"%s\"",
						command->said.text)));
}

/* Leave nothing of a command, whether it has ended or not, but its text. */
static void
end_command(KeyCommand *command)
{
	close_channel(&command->output);
	close_channel(&command->errors);
	close_channel(&command->signals);
	close_channel(&command->events);
	kill_all(command->at_terminal ? command->pid : -command->pid, &command->others);
	group_in_worker = 0;
	command->pid = 0;
	(void) prctl(PR_SET_CHILD_SUBREAPER, 0L, 0L, 0L, 0L);
	sodium_memzero(&command->said, sizeof(command->said));
	sigprocmask(SIG_SETMASK, &command->saved_mask, NULL);
}

/* For errors, and for the exit when the postmaster died */
static void
give_up_command(int code pg_attribute_unused(), Datum arg)
{
	KeyCommand *command = (KeyCommand *) DatumGetPointer(arg);

	end_command(command);
	sodium_memzero(command->text, command->size);
}

/*
 * Run a command and read what it prints into memory of this size, which is
 * wiped if that fails.  If it was given up for a shutdown,
 * ShutdownRequestPending says so; a server that has not yet started ends here.
 */
TarxKeysKeyringProblem
tarx_keys_key_command_read(const char *command, char *text, size_t size, size_t *len,
						   TarxKeysKeyringLoad *load)
{
	KeyCommand	running = {.output = -1, .errors = -1, .signals = -1, .events = -1,
	.size = size, .elevel = load->elevel};
	TarxKeysKeyringProblem problem;

	running.text = text;
	if (!IsUnderPostmaster)
		list_children(&running.others);
	sigprocmask(SIG_SETMASK, NULL, &running.saved_mask);
	PG_ENSURE_ERROR_CLEANUP(give_up_command, PointerGetDatum(&running));
	{
		problem = start_command(&running, command);
		if (problem == TARX_KEYS_KEYRING_OK)
			problem = read_command(&running);
		log_errors(&running);
	}
	PG_END_ENSURE_ERROR_CLEANUP(give_up_command, PointerGetDatum(&running));
	end_command(&running);
	if (problem != TARX_KEYS_KEYRING_OK)
		sodium_memzero(text, size);
	if (running.stopped_by != 0)
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("tarx_keys: server is stopped by signal %d before its start has ended",
						running.stopped_by),
				 errdetail("The master key command was running.")));
	load->command_status = running.status;
	*len = running.len;
	return problem;
}
