/*
 * fuzz_key_form.c
 *	  LLM keys: what is accepted is printable ASCII, and what has nothing around
 *	  it is not accepted with something around it.
 *
 * Input: the value.
 */
#include "pure/key_form.h"
#include "fuzz.h"

static TarxKeysKeyProblem
check_around(const char *before, const FuzzPiece *value, const char *behind)
{
	size_t		len = strlen(before) + value->len + strlen(behind);
	char	   *text = calloc(1, len + 1);
	size_t		position;
	TarxKeysKeyProblem problem;

	must(text != NULL);
	strcpy(text, before);
	memcpy(text + strlen(before), value->data, value->len);
	strcpy(text + strlen(before) + value->len, behind);
	problem = tarx_keys_check_key((TarxKeysSpan) {text, len}, &position);
	free(text);
	return problem;
}

static void
check_key(const FuzzPiece *value)
{
	static const char *const around[][2] = {
		{"Bearer ", ""}, {"Authorization: Bearer ", ""}, {"api-key:", ""}, {"api-key: ", ""},
		{"\"", "\""}, {"'", "'"}, {"", ","}, {"", ";"}, {"", "\n"}, {" ", ""}, {"(", ")"}, {"<", ">"},
		{"https://x.example/?key=", ""}, {"{\"key\": \"", "\"}"}, {"sk-tarx-", ""}, {"a***", ""},
		{"\xd0\xb0", ""}
	};

	must(value->len >= TARX_KEYS_VALUE_MIN_BYTES && value->len <= TARX_KEYS_VALUE_MAX_BYTES);
	for (size_t i = 0; i < value->len; i++)
		must(value->data[i] > ' ' && value->data[i] < 0x7f);
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++)
		must(check_around(around[i][0], value, around[i][1]) != TARX_KEYS_KEY_OK);
	/* unless they are no more than the padding of base64 */
	for (size_t i = 0; i < value->len; i++)
	{
		if (value->data[i] != '=')
		{
			must(check_around("export OPENAI_API_KEY=", value, "") != TARX_KEYS_KEY_OK);
			must(check_around("OPENAI_API_KEY=", value, "") != TARX_KEYS_KEY_OK);
			break;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	FuzzPiece	value = fuzz_rest(&in);
	size_t		position = 99;
	TarxKeysKeyProblem problem = tarx_keys_check_key((TarxKeysSpan) {(const char *) value.data, value.len},
													 &position);

	must(tarx_keys_key_problem(problem) != NULL && tarx_keys_key_advice(problem) != NULL);
	must((position > 0) == (problem >= TARX_KEYS_KEY_SPACE));
	must(position <= value.len);
	if (problem == TARX_KEYS_KEY_OK)
		check_key(&value);
	free(value.data);
	return 0;
}
