/*
 * test_private_hosts.c
 *	  Unit tests of the list of hosts in one's own network, in TAP.
 */
#include "pure/private_hosts.h"
#include "guarded.h"
#include "tap.h"

/* Short names, for the tables to be readable. */
#define OK			TARX_KEYS_HOSTS_OK
#define EMPTY_ENTRY	TARX_KEYS_HOSTS_EMPTY_ENTRY
#define CHARACTERS	TARX_KEYS_HOSTS_CHARACTERS
#define SCHEME		TARX_KEYS_HOSTS_SCHEME
#define PATH		TARX_KEYS_HOSTS_PATH
#define SUFFIX		TARX_KEYS_HOSTS_SUFFIX
#define HOST		TARX_KEYS_HOSTS_HOST
#define BITS		TARX_KEYS_HOSTS_BITS
#define HOST_BITS	TARX_KEYS_HOSTS_HOST_BITS
#define PORT		TARX_KEYS_HOSTS_PORT

typedef struct ListCase
{
	const char *list;
	TarxKeysPrivateHostsProblem problem;
	size_t		entry;			/* that has it */
} ListCase;

static const ListCase list_cases[] = {
	{"", OK, 0},
	{"  ", OK, 0},
	{"llm", OK, 0},
	{"llm.internal", OK, 0},
	{"LLM.Internal", OK, 0},
	{"my_litellm", OK, 0},
	{"my_litellm:4000", OK, 0},
	{"http://my_litellm:4000", OK, 0},
	{"HTTP://llm", OK, 0},
	{"https://llm", OK, 0},
	{"a,b,c", OK, 0},
	{" a , http://b:1 ,\tc\n", OK, 0},
	{"*.llm.example", OK, 0},
	{"*.internal", OK, 0},
	{"http://*.svc:8080", OK, 0},
	{"10.0.0.5", OK, 0},
	{"10.0.0.5:8000", OK, 0},
	{"10.0.0.0/8", OK, 0},
	{"10.0.0.0/8:8080", OK, 0},
	{"http://10.0.0.0/8:8080", OK, 0},
	{"0.0.0.0/0", OK, 0},
	{"10.0.0.5/32", OK, 0},
	{"::1", OK, 0},
	{"[::1]", OK, 0},
	{"[::1]:8080", OK, 0},
	{"fd12:3456::/32", OK, 0},
	{"[fd12:3456::/32]", OK, 0},
	{"[fd12:3456::]/32", OK, 0},
	{"[fd12:3456::]/32:8080", OK, 0},
	{"[fd12:3456::/32]:8080", OK, 0},
	{"fd12:3456::/32:8080", OK, 0},
	{"http://[fd12::1]:11434", OK, 0},
	{"::/0", OK, 0},
	{"fd12::1/128", OK, 0},
	/* that it admits nothing is no reason to refuse it */
	{"169.254.169.254", OK, 0},
	{"metadata.google.internal", OK, 0},
	{"llm:65535", OK, 0},
	/* what is none */
	{",", EMPTY_ENTRY, 1},
	{"a,", EMPTY_ENTRY, 2},
	{",a", EMPTY_ENTRY, 1},
	{"a,,b", EMPTY_ENTRY, 2},
	{"a, ,b", EMPTY_ENTRY, 2},
	{"a b", CHARACTERS, 1},
	{"a;b", HOST, 1},
	{"http:// llm", CHARACTERS, 1},
	{"ll\xc3\xa4m", CHARACTERS, 1},
	{"ll\x01m", CHARACTERS, 1},
	{"ftp://llm", SCHEME, 1},
	{"http://http://llm", SCHEME, 1},
	{"ok,ws://llm", SCHEME, 2},
	{"://llm", SCHEME, 1},
	{"http:/llm", HOST, 1},
	{"http:llm", PORT, 1},
	{"llm/", PATH, 1},
	{"http://llm/v1", PATH, 1},
	{"llm/8", PATH, 1},
	{"*.llm/8", PATH, 1},
	{"user@llm", PATH, 1},
	{"llm?x", PATH, 1},
	{"llm#x", PATH, 1},
	{"llm\\x", PATH, 1},
	{"*", SUFFIX, 1},
	{"*.", SUFFIX, 1},
	{"*llm", SUFFIX, 1},
	{"a.*.b", SUFFIX, 1},
	{"llm.*", SUFFIX, 1},
	{"*.*", SUFFIX, 1},
	{"*.0.0.1", SUFFIX, 1},
	{"*.1", SUFFIX, 1},
	{"*.a..b", SUFFIX, 1},
	{"[*.a]", HOST, 1},
	{".llm", HOST, 1},
	{"llm.", HOST, 1},
	{"-llm", HOST, 1},
	{"llm%2e", HOST, 1},
	{"http://", HOST, 1},
	{":8080", HOST, 1},
	{"10.1", HOST, 1},
	{"010.0.0.1", HOST, 1},
	{"2130706433", HOST, 1},
	{"10.0.0", HOST, 1},
	{"10.0.0.256", HOST, 1},
	{"[10.0.0.1]", HOST, 1},
	{"[::1", HOST, 1},
	{"[]", HOST, 1},
	{"[::1]x", HOST, 1},
	{"[::1/64]/64", HOST, 1},
	{"fe80::1%eth0", HOST, 1},
	{"1:2", HOST, 1},
	{"10.0.0.0/", BITS, 1},
	{"10.0.0.0/33", BITS, 1},
	{"10.0.0.0/08", BITS, 1},
	{"10.0.0.0/8x", BITS, 1},
	{"10.0.0.0/-1", BITS, 1},
	{"10.0.0.0/4294967304", BITS, 1},
	{"10.0.0.0/v1", BITS, 1},
	{"10.0.0.0/255.0.0.0", BITS, 1},
	{"fd12::/129", BITS, 1},
	{"10.0.0.5/8", HOST_BITS, 1},
	{"ok, 10.0.0.1/31", HOST_BITS, 2},
	{"fd12::1/64", HOST_BITS, 1},
	{"llm:", PORT, 1},
	{"llm:0", PORT, 1},
	{"llm:080", PORT, 1},
	{"llm:65536", PORT, 1},
	{"llm:http", PORT, 1},
	{"10.0.0.0/8:", PORT, 1},
	{"[::1]:", PORT, 1},
};

typedef struct AdmitCase
{
	const char *list;
	const char *host;			/* in brackets for an IPv6 address */
	bool		https;
	unsigned int port;
	bool		expected;
} AdmitCase;

static const AdmitCase admit_cases[] = {
	{"", "llm", true, 443, false},
	{"llm", "llm", true, 443, true},
	{"llm", "LLM", true, 443, true},
	{"LLM", "llm", true, 8443, true},
	{"llm", "llm", false, 80, false},
	{"http://llm", "llm", false, 80, true},
	{"http://llm", "llm", false, 4000, true},
	{"http://llm", "llm", true, 443, true},
	{"https://llm", "llm", false, 80, false},
	{"llm:4000", "llm", true, 4000, true},
	{"llm:4000", "llm", true, 443, false},
	{"http://llm:4000", "llm", false, 4000, true},
	{"http://llm:4000", "llm", false, 80, false},
	{"http://llm:80, llm:443", "llm", false, 443, false},
	{"a, http://llm", "llm", false, 80, true},
	{"llm", "llm2", true, 443, false},
	{"llm", "a.llm", true, 443, false},
	{"a.llm", "llm", true, 443, false},
	{"http://my_litellm:4000", "my_litellm", false, 4000, true},
	{"my_litellm", "my-litellm", true, 443, false},
	{"*.llm.example", "a.llm.example", true, 443, true},
	{"*.llm.example", "a.b.LLM.example", true, 443, true},
	{"*.llm.example", "llm.example", true, 443, false},
	{"*.llm.example", "a.llm.example.evil", true, 443, false},
	{"*.llm.example", "allm.example", true, 443, false},
	{"*.llm.example", "a.llm.example", false, 80, false},
	{"http://*.llm.example", "a.llm.example", false, 80, true},
	{"10.0.0.0/8", "10.0.0.0", true, 443, true},
	{"10.0.0.0/8", "10.255.255.255", true, 443, true},
	{"10.0.0.0/8", "11.0.0.0", true, 443, false},
	{"10.0.0.0/8", "10.1.2.3", false, 80, false},
	{"http://10.0.0.0/8:8080", "10.1.2.3", false, 8080, true},
	{"http://10.0.0.0/8:8080", "10.1.2.3", false, 8081, false},
	{"10.20.0.0/15", "10.21.255.255", true, 443, true},
	{"10.20.0.0/15", "10.22.0.0", true, 443, false},
	{"10.20.0.0/15", "10.19.255.255", true, 443, false},
	{"10.0.0.5", "10.0.0.5", true, 443, true},
	{"10.0.0.5", "10.0.0.6", true, 443, false},
	/* in another spelling it is the same address, which the caller refuses */
	{"10.0.0.5", "10.5", true, 443, true},
	/* addresses match addresses only */
	{"0.0.0.0/0", "llm", true, 443, false},
	{"0.0.0.0/0", "10.llm", true, 443, false},
	{"0.0.0.0/0", "[::1]", true, 443, false},
	{"0.0.0.0/0", "[::ffff:10.0.0.5]", true, 443, false},
	{"::/0", "10.0.0.5", true, 443, false},
	{"::/0", "[fd12::1]", true, 443, true},
	{"::ffff:10.0.0.0/104", "[::ffff:10.0.0.5]", true, 443, true},
	/* of the same bytes, but of another kind */
	{"10.0.0.5", "[a00:5::]", true, 443, false},
	{"[a00:5::]", "10.0.0.5", true, 443, false},
	{"fd12:3456::/32", "[fd12:3456:7::1]", true, 443, true},
	{"fd12:3456::/32", "[fd12:3457::1]", true, 443, false},
	{"[fd12::1]:8080", "[fd12:0::1]", true, 8080, true},
	{"[fd12::1]:8080", "[fd12::1]", true, 443, false},
	{"http://[::1]", "[::1]", false, 11434, true},
	/* a public host over http, if that is what somebody wants */
	{"http://llm.example.com", "llm.example.com", false, 80, true},
	{"http://8.8.8.8", "8.8.8.8", false, 80, true},
	/* a list that is malformed anywhere admits nothing */
	{"llm,", "llm", true, 443, false},
	{"llm, 10.0.0.1/8", "llm", true, 443, false},
	{"llm, *", "llm", true, 443, false},
	/* metadata services: never */
	{"169.254.169.254", "169.254.169.254", true, 443, false},
	{"http://169.254.169.254:80", "169.254.169.254", false, 80, false},
	{"http://169.254.0.0/16", "169.254.169.254", false, 80, false},
	{"http://0.0.0.0/0", "169.254.169.254", false, 80, false},
	{"http://0.0.0.0/0", "2852039166", false, 80, false},
	{"http://0.0.0.0/0", "169.254.170.2", false, 80, false},
	{"http://0.0.0.0/0", "169.254.0.23", false, 80, false},
	{"http://0.0.0.0/0", "168.63.129.16", false, 80, false},
	{"http://100.64.0.0/10", "100.100.100.200", false, 80, false},
	{"http://100.64.0.0/10", "100.100.100.201", false, 80, true},
	{"http://0.0.0.0/0", "192.0.0.192", false, 80, false},
	{"http://[fd00:ec2::254]", "[fd00:ec2::254]", false, 80, false},
	{"http://[fd00::]/8", "[fd00:ec2::254]", false, 80, false},
	{"http://[fd00::]/8", "[fd00:ec2::23]", false, 80, false},
	{"http://[fd00::]/8", "[fd20:ce::254]", false, 80, false},
	{"http://[fd00::]/8", "[fd00:42::42]", false, 80, false},
	{"http://[fd00::]/8", "[fd00:ec3::254]", false, 80, true},
	{"http://[::]/0", "[::ffff:169.254.169.254]", false, 80, false},
	{"http://[::]/0", "[::ffff:169.254.1.1]", false, 80, false},
	{"http://[::]/0", "[::169.254.169.254]", false, 80, false},
	{"http://[::]/0", "[64:ff9b::169.254.169.254]", false, 80, false},
	{"http://[::]/0", "[64:ff9b:1::169.254.1.1]", false, 80, false},
	{"http://[::]/0", "[2002:a9fe:a9fe::1]", false, 80, false},
	{"http://[::]/0", "[2001::5601:5601]", false, 80, false},
	{"http://[::]/0", "[fe80::5efe:a9fe:a9fe]", false, 80, false},
	{"http://[::]/0", "[fd12:0:0:a9:fe:a9fe::]", false, 80, false},
	{"http://[::]/0", "[fd00:c1::a9fe:a9fe]", false, 80, false},
	{"http://[::]/0", "[fd12::6464:64c8]", false, 80, false},
	{"http://metadata.google.internal", "metadata.google.internal", false, 80, false},
	{"http://*.internal", "metadata.google.internal", false, 80, false},
	{"http://*.internal", "a.google.internal", false, 80, true},
	{"http://metadata", "metadata", false, 80, false},
	{"http://instance-data", "instance-data", false, 80, false},
	{"http://*.ec2.internal", "instance-data.ec2.internal", false, 80, false},
	{"http://*.goog", "metadata.goog", false, 80, false},
	{"http://*.tencentyun.com", "metadata.tencentyun.com", false, 80, false},
	{"http://metadata.azure.internal", "metadata.azure.internal", false, 80, false},
};

static TarxKeysSpan
copy_span(const char *text)
{
	Bytes		copy = guarded_copy(text, strlen(text));

	return (TarxKeysSpan) {(const char *) copy.data, copy.len};
}

static void
check_list(const ListCase *test)
{
	TarxKeysSpan list = copy_span(test->list);
	size_t		entry = 99;

	is_str(tarx_keys_private_hosts_problem(tarx_keys_private_hosts_check(list, &entry)),
		   tarx_keys_private_hosts_problem(test->problem), "\"%s\"", test->list);
	is_int((long long) entry, (long long) test->entry, "\"%s\": which entry", test->list);
	sodium_free((void *) list.data);
}

static void
check_admit(const AdmitCase *test)
{
	TarxKeysSpan list = copy_span(test->list);
	TarxKeysSpan text = {test->host, strlen(test->host)};
	bool		bracketed = text.data[0] == '[';
	TarxKeysUrlHost host;

	if (bracketed)
		text = (TarxKeysSpan) {text.data + 1, text.len - 2};
	ok(tarx_keys_url_host_read(text, bracketed, &host), "%s is a host", test->host);
	ok(tarx_keys_private_hosts_admit(list, &host, test->https, test->port) == test->expected,
	   "\"%s\" admits %s://%s:%u: %s", test->list, test->https ? "https" : "http", test->host,
	   test->port, test->expected ? "yes" : "no");
	sodium_free((void *) list.data);
}

static void
check_problems(void)
{
	for (int problem = OK; problem <= PORT; problem++)
	{
		const char *text = tarx_keys_private_hosts_problem((TarxKeysPrivateHostsProblem) problem);

		ok(text[strlen(text) - 1] != '.' && strcmp(text, "is not valid") != 0,
		   "text of problem %d", problem);
		for (int other = OK; other < problem; other++)
			ok(strcmp(text, tarx_keys_private_hosts_problem((TarxKeysPrivateHostsProblem) other)) != 0,
			   "texts of problems %d and %d differ", problem, other);
	}
	is_str(tarx_keys_private_hosts_problem((TarxKeysPrivateHostsProblem) (PORT + 1)),
		   "is not valid", "text of an unknown problem");
}

int
main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	for (size_t i = 0; i < lengthof(list_cases); i++)
		check_list(&list_cases[i]);
	for (size_t i = 0; i < lengthof(admit_cases); i++)
		check_admit(&admit_cases[i]);
	check_problems();

	return done_testing();
}
