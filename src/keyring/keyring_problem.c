/*
 * keyring_problem.c
 *	  Says what is wrong with the keyring, and what the reader can do about it.
 *
 * The log, the error TK005, keyring_status() and doctor() say the same.
 */
#include "postgres.h"
#include "base/compat.h"

#include "keyring/keyring.h"

/*
 * Can the next load succeed with the same settings?  A file or a command can
 * become good.  What is in the configuration itself cannot, nor can a page that
 * is not locked.
 */
bool
tarx_keys_keyring_may_recover(TarxKeysKeyringProblem problem)
{
	switch (problem)
	{
		case TARX_KEYS_KEYRING_OK:
		case TARX_KEYS_KEYRING_NO_SOURCE:
		case TARX_KEYS_KEYRING_SEVERAL_SOURCES:
		case TARX_KEYS_KEYRING_NOT_LOCKED:
		case TARX_KEYS_KEYRING_PATH_RELATIVE:
			return false;
		default:
			return !tarx_keys_setting_key_is_set();
	}
}

/* A sentence for errdetail(); how a command ended is part of it. */
char *
tarx_keys_keyring_detail(TarxKeysKeyringProblem problem, int command_status)
{
	if (problem == TARX_KEYS_KEYRING_COMMAND_FAILED && command_status != 0)
		return psprintf("The master key command failed: %s.", wait_result_to_str(command_status));
	return pstrdup(tarx_keys_keyring_problem_text(problem));
}

/* Sentences for errhint() */
char *
tarx_keys_keyring_hint(TarxKeysKeyringProblem problem)
{
	const char *hint = tarx_keys_keyring_problem_hint(problem);

	if (tarx_keys_keyring_may_recover(problem))
		return psprintf("%s It is tried again at least once a minute, and at once when the configuration is reloaded.", hint);

	/* the keyring's text is in the configuration then */
	if (problem >= TARX_KEYS_KEYRING_EMPTY)
		return psprintf("%s It is in tarx_keys.master_key, a change of which needs a restart of the server.", hint);
	return pstrdup(hint);
}
