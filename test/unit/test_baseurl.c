/*-------------------------------------------------------------------------
 *
 * test_baseurl.c
 *		Unit tests of the base URL check, in TAP.
 *
 * Every input is copied to memory that ends at an inaccessible page, so that
 * reading one byte too many ends the program.  Every accepted URL is given
 * back and must come out unchanged; every refused one must leave the result
 * all zero.
 *
 *-------------------------------------------------------------------------
 */
#include <sodium.h>

#include "pure/baseurl.h"
#include "tap.h"

/* Short names, for the tables to be readable. */
#define OK			TARX_KEYS_BASEURL_OK
#define EMPTY		TARX_KEYS_BASEURL_EMPTY
#define TOO_LONG	TARX_KEYS_BASEURL_TOO_LONG
#define CHARACTERS	TARX_KEYS_BASEURL_CHARACTERS
#define SYNTAX		TARX_KEYS_BASEURL_SYNTAX
#define SCHEME		TARX_KEYS_BASEURL_SCHEME
#define USERINFO	TARX_KEYS_BASEURL_USERINFO
#define QUERY		TARX_KEYS_BASEURL_QUERY
#define HOST		TARX_KEYS_BASEURL_HOST
#define PORT		TARX_KEYS_BASEURL_PORT
#define PATH		TARX_KEYS_BASEURL_PATH
#define PRIVATE		TARX_KEYS_BASEURL_PRIVATE

/* Labels and names of a given length. */
#define TEN			"abcdefghij"
#define LABEL_63	TEN TEN TEN TEN TEN TEN "abc"
#define LABEL_61	TEN TEN TEN TEN TEN TEN "a"
#define NAME_253	LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61
#define NAME_254	LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61 "b"

typedef struct TestCase
{
	const char *url;
	TarxKeysBaseUrlStatus strict;
	TarxKeysBaseUrlStatus insecure;
	const char *canonical;		/* NULL: unchanged, where accepted */
	const char *host;			/* NULL: not looked at */
} TestCase;

static const TestCase scheme_cases[] = {
	{"https://api.openai.com", OK, OK, NULL, "api.openai.com"},
	{"https://api.openai.com/v1", OK, OK, NULL, "api.openai.com"},
	{"HTTPS://api.openai.com/v1", OK, OK, "https://api.openai.com/v1", NULL},
	{"hTtPs://api.openai.com/v1", OK, OK, "https://api.openai.com/v1", NULL},
	{"http://api.openai.com/v1", SCHEME, OK, NULL, "api.openai.com"},
	{"HTTP://api.openai.com/v1", SCHEME, OK, "http://api.openai.com/v1", NULL},
	{"ftp://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"file:///etc/passwd", SCHEME, SCHEME, NULL, NULL},
	{"gopher://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"httpss://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"https+unix://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"https-x.y://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"h://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"xttps://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"xttp://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"httpt://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"httpq://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"https", SYNTAX, SYNTAX, NULL, NULL},
	{"https:", SYNTAX, SYNTAX, NULL, NULL},
	{"https:/", SYNTAX, SYNTAX, NULL, NULL},
	{"https:/api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https:api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https//api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https;//api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"://api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"//api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"/v1", SYNTAX, SYNTAX, NULL, NULL},
	{"api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"api.openai.com:443/v1", SYNTAX, SYNTAX, NULL, NULL},
	{"https%3a//api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https_://api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"<https://api.openai.com>", SYNTAX, SYNTAX, NULL, NULL},
	{"x", SYNTAX, SYNTAX, NULL, NULL},
};

static const TestCase character_cases[] = {
	{" https://api.openai.com", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com ", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/a b", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\n", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.open\tai.com/", CHARACTERS, CHARACTERS, NULL, NULL},
	{"ht\ntps://api.openai.com/", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\x7f", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\x1f", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\x80", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\xff", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://b\xc3\xbc" "cher.example.com", CHARACTERS, CHARACTERS, NULL, NULL},
	/* a dot to IDNA, were it let through */
	{"https://127\xe3\x80\x82" "0.0.1", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https:\\\\api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https://api.openai.com\\v1", SYNTAX, SYNTAX, NULL, NULL},
	{"https://api.openai.com\\@evil.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https://evil.com\\.openai.azure.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https://api.openai.com/v1\\", SYNTAX, SYNTAX, NULL, NULL},
};

static const TestCase userinfo_query_cases[] = {
	{"https://user@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://user:pass@api.openai.com/v1", USERINFO, USERINFO, NULL, NULL},
	{"https://@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://:@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://api.openai.com@", USERINFO, USERINFO, NULL, NULL},
	{"https://api.openai.com:443@127.0.0.1/", USERINFO, USERINFO, NULL, NULL},
	{"https://a@b@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://[::1]@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://api.openai.com/v1@beta", OK, OK, NULL, "api.openai.com"},
	{"https://api.openai.com?", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com?a=b", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/?", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/v1?api-version=1", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com#", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/v1#x", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/v1#", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com#@evil.com", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com?@evil.com", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/#?", QUERY, QUERY, NULL, NULL},
	{"https://?", QUERY, QUERY, NULL, NULL},
};

static const TestCase host_cases[] = {
	{"https://API.OpenAI.COM/V1/Chat", OK, OK,
	"https://api.openai.com/V1/Chat", "api.openai.com"},
	{"https://AZaz09.example.com", OK, OK,
	"https://azaz09.example.com", "azaz09.example.com"},
	{"https://a.b", OK, OK, NULL, "a.b"},
	{"https://xn--bcher-kva.example.com", OK, OK, NULL, NULL},
	{"https://a--b.example.com", OK, OK, NULL, NULL},
	{"https://1password.com", OK, OK, NULL, NULL},
	{"https://1.2.3.4.example.com", OK, OK, NULL, NULL},
	{"https://0x7f.example.com", OK, OK, NULL, NULL},
	{"https://example.0xg", OK, OK, NULL, NULL},
	{"https://example.0y1", OK, OK, NULL, NULL},
	{"https://example.x01", OK, OK, NULL, NULL},
	{"https://example.1a", OK, OK, NULL, NULL},
	{"https://example.a1", OK, OK, NULL, NULL},
	{"https://" LABEL_63 ".com", OK, OK, NULL, LABEL_63 ".com"},
	{"https://" LABEL_63 "d.com", HOST, HOST, NULL, NULL},
	{"https://a." LABEL_63 "d", HOST, HOST, NULL, NULL},
	{"https://" NAME_253 "/v1", OK, OK, NULL, NAME_253},
	{"https://" NAME_254 "/v1", HOST, HOST, NULL, NULL},
	{"https://" NAME_254 TEN "/v1", HOST, HOST, NULL, NULL},
	{"https://", HOST, HOST, NULL, NULL},
	{"https:///", HOST, HOST, NULL, NULL},
	{"https:///v1", HOST, HOST, NULL, NULL},
	{"https:////api.openai.com", HOST, HOST, NULL, NULL},
	{"https://:443/v1", HOST, HOST, NULL, NULL},
	{"https://.", HOST, HOST, NULL, NULL},
	{"https://.com", HOST, HOST, NULL, NULL},
	{"https://api.openai.com./v1", HOST, HOST, NULL, NULL},
	{"https://api.openai.com.:443/v1", HOST, HOST, NULL, NULL},
	{"https://localhost.", HOST, HOST, NULL, NULL},
	{"https://127.0.0.1.", HOST, HOST, NULL, NULL},
	{"https://8.8.8.8.", HOST, HOST, NULL, NULL},
	{"https://api..openai.com", HOST, HOST, NULL, NULL},
	{"https://-api.openai.com", HOST, HOST, NULL, NULL},
	{"https://api-.openai.com", HOST, HOST, NULL, NULL},
	{"https://api.-openai.com", HOST, HOST, NULL, NULL},
	{"https://api.openai.com-", HOST, HOST, NULL, NULL},
	{"https://api.-", HOST, HOST, NULL, NULL},
	{"https://-", HOST, HOST, NULL, NULL},
	{"https://my_api.example.com", HOST, HOST, NULL, NULL},
	{"https://api%2eopenai.com", HOST, HOST, NULL, NULL},
	{"https://%61pi.openai.com", HOST, HOST, NULL, NULL},
	{"https://127.0.0.1%2f.example.com", HOST, HOST, NULL, NULL},
	{"https://api.openai.com%00.example.com", HOST, HOST, NULL, NULL},
	{"https://api.openai.com,example.com", HOST, HOST, NULL, NULL},
	{"https://api;x.example.com", HOST, HOST, NULL, NULL},
	{"https://*.example.com", HOST, HOST, NULL, NULL},
	{"https://a!b.example.com", HOST, HOST, NULL, NULL},
	{"https://a`b.example.com", HOST, HOST, NULL, NULL},
	{"https://a{b}.example.com", HOST, HOST, NULL, NULL},
	{"https://a|b.example.com", HOST, HOST, NULL, NULL},
	{"https://a[b.example.com", HOST, HOST, NULL, NULL},
	{"https://a]b.example.com", HOST, HOST, NULL, NULL},
	{"https://a^b.example.com", HOST, HOST, NULL, NULL},
	{"https://~a.example.com", HOST, HOST, NULL, NULL},
	{"https://a+b.example.com", HOST, HOST, NULL, NULL},
	{"https://a=b.example.com", HOST, HOST, NULL, NULL},
};

static const TestCase private_name_cases[] = {
	{"https://localhost", PRIVATE, OK, NULL, "localhost"},
	{"https://LOCALHOST/v1", PRIVATE, OK, "https://localhost/v1", "localhost"},
	{"http://localhost:11434/v1", SCHEME, OK, NULL, "localhost"},
	{"https://ollama", PRIVATE, OK, NULL, "ollama"},
	{"https://com", PRIVATE, OK, NULL, NULL},
	{"https://metadata", PRIVATE, OK, NULL, NULL},
	{"https://instance-data/latest", PRIVATE, OK, NULL, NULL},
	{"https://" LABEL_63, PRIVATE, OK, NULL, LABEL_63},
	{"https://" LABEL_63 "d", HOST, HOST, NULL, NULL},
	{"https://a.localhost", PRIVATE, OK, NULL, NULL},
	{"https://a.b.LocalHost", PRIVATE, OK, "https://a.b.localhost", NULL},
	{"https://localhost.localdomain", PRIVATE, OK, NULL, NULL},
	{"https://printer.local", PRIVATE, OK, NULL, NULL},
	{"https://x.svc.cluster.local", PRIVATE, OK, NULL, NULL},
	{"https://metadata.google.internal", PRIVATE, OK, NULL, NULL},
	{"https://vm.example.internal", PRIVATE, OK, NULL, NULL},
	{"https://wiki.intranet", PRIVATE, OK, NULL, NULL},
	{"https://nas.lan", PRIVATE, OK, NULL, NULL},
	{"https://home.arpa", PRIVATE, OK, NULL, NULL},
	{"https://nas.home.arpa", PRIVATE, OK, NULL, NULL},
	{"https://llm.corp", PRIVATE, OK, NULL, NULL},
	{"https://llm.private", PRIVATE, OK, NULL, NULL},
	{"https://instance-data.ec2.example.com", PRIVATE, OK, NULL, NULL},
	{"https://Instance-Data.example.com", PRIVATE, OK,
	"https://instance-data.example.com", NULL},
	{"https://metadata.goog", PRIVATE, OK, NULL, NULL},
	{"https://metadata.goog/computeMetadata/v1/", PRIVATE, OK, NULL, NULL},
	/* look alike, but are not */
	{"https://localhost.example.com", OK, OK, NULL, NULL},
	{"https://a.notlocalhost", OK, OK, NULL, NULL},
	{"https://a.mylocal", OK, OK, NULL, NULL},
	{"https://a.locale", OK, OK, NULL, NULL},
	{"https://local.example.com", OK, OK, NULL, NULL},
	{"https://internal.example.com", OK, OK, NULL, NULL},
	{"https://myhome.arpa", OK, OK, NULL, NULL},
	{"https://home.arpa.example.com", OK, OK, NULL, NULL},
	{"https://instance-database.example.com", OK, OK, NULL, NULL},
	{"https://instance-dat.example.com", OK, OK, NULL, NULL},
	{"https://x.instance-data.example.com", OK, OK, NULL, NULL},
	{"https://metadata2.example.com", OK, OK, NULL, NULL},
	{"https://api.metadata.example.com", OK, OK, NULL, NULL},
};

static const TestCase port_cases[] = {
	{"https://api.openai.com:443", OK, OK, "https://api.openai.com", "api.openai.com"},
	{"https://api.openai.com:443/", OK, OK, "https://api.openai.com/", NULL},
	{"https://api.openai.com:80/", OK, OK, NULL, NULL},
	{"http://api.openai.com:80/", SCHEME, OK, "http://api.openai.com/", NULL},
	{"http://api.openai.com:443/", SCHEME, OK, NULL, NULL},
	{"https://api.openai.com:1", OK, OK, NULL, NULL},
	{"https://api.openai.com:9", OK, OK, NULL, NULL},
	{"https://api.openai.com:4430", OK, OK, NULL, NULL},
	{"https://api.openai.com:143", OK, OK, NULL, NULL},
	{"https://api.openai.com:444", OK, OK, NULL, NULL},
	{"https://api.openai.com:44", OK, OK, NULL, NULL},
	{"https://api.openai.com:8443/v1", OK, OK, NULL, "api.openai.com"},
	{"https://api.openai.com:65535", OK, OK, NULL, NULL},
	{"https://api.openai.com:65536", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:99999", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:100000", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:4294967739", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:18446744073709552059", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:0", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:00", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:0443", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:/v1", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:+443", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:-1", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:443x", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:4/3", OK, OK, NULL, NULL},
	{"https://api.openai.com:4:3", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:443:443", PORT, PORT, NULL, NULL},
	{"https://api.openai.com::443", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:0x1bb", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:x", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:%34", PORT, PORT, NULL, NULL},
	{"https://8.8.8.8:443", OK, OK, "https://8.8.8.8", "8.8.8.8"},
	{"https://[2606:4700::1111]:443/v1", OK, OK,
	"https://[2606:4700::1111]/v1", "2606:4700::1111"},
	{"https://[2606:4700::1111]:8443", OK, OK, NULL, "2606:4700::1111"},
	{"https://[2606:4700::1111]:", PORT, PORT, NULL, NULL},
	{"https://[2606:4700::1111]:0", PORT, PORT, NULL, NULL},
	{"https://[2606:4700::1111]443", HOST, HOST, NULL, NULL},
};

static const TestCase path_cases[] = {
	{"https://api.openai.com/", OK, OK, NULL, NULL},
	{"https://api.openai.com/v1/", OK, OK, NULL, NULL},
	{"https://api.openai.com/a/B/c", OK, OK, NULL, NULL},
	{"https://api.openai.com/-._~!$&'()*+,;=:@09azAZ", OK, OK, NULL, NULL},
	{"https://api.openai.com/v1beta/models/x:y", OK, OK, NULL, NULL},
	{"https://api.openai.com//", PATH, PATH, NULL, NULL},
	{"https://api.openai.com//v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1//", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1//chat", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/.", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/..", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/./v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/../v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1/.", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1/..", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1/../", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%2e", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%2E%2e/v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/.%2e", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%2e./", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/...", OK, OK, NULL, NULL},
	{"https://api.openai.com/.v1", OK, OK, NULL, NULL},
	{"https://api.openai.com/v1.", OK, OK, NULL, NULL},
	{"https://api.openai.com/..v1", OK, OK, NULL, NULL},
	{"https://api.openai.com/a.b", OK, OK, NULL, NULL},
	{"https://api.openai.com/v1%2e1", OK, OK, NULL, NULL},
	{"https://api.openai.com/%41%7E%c3%bc%C3%BC", OK, OK, NULL, NULL},
	{"https://api.openai.com/%20", OK, OK, NULL, NULL},
	{"https://api.openai.com/%3f%23%40", OK, OK, NULL, NULL},
	{"https://api.openai.com/%80%ff", OK, OK, NULL, NULL},
	{"https://api.openai.com/%00", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%0a", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%0D%0A", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%1f", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%7f", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%2f", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a%2Fb", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a%5cb", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a%5Cb", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%25", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%252e%252e", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%/41", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4/1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4g", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%g4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4:", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%:4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4@", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%@4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4`", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%`4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4G", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%u0041", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%%41", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%+1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a\"b", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/<a>", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/{a}", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a|b", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a^b", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a`b", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/[a]", PATH, PATH, NULL, NULL},
	{"https://localhost/..", PRIVATE, PATH, NULL, NULL},
};

static const TestCase ipv4_cases[] = {
	{"https://8.8.8.8/v1", OK, OK, NULL, "8.8.8.8"},
	{"https://127.0.0.1:8080/v1", PRIVATE, OK, NULL, "127.0.0.1"},
	{"http://127.0.0.1", SCHEME, OK, NULL, "127.0.0.1"},
	{"https://169.254.169.254/latest", PRIVATE, OK, NULL, NULL},
	/* private in any spelling, and accepted in only one */
	{"https://2130706433", PRIVATE, HOST, NULL, NULL},
	{"https://0177.0.0.1", PRIVATE, HOST, NULL, NULL},
	{"https://017700000001", PRIVATE, HOST, NULL, NULL},
	{"https://0x7f000001", PRIVATE, HOST, NULL, NULL},
	{"https://0X7F000001", PRIVATE, HOST, NULL, NULL},
	{"https://0x7F.0.0.0x1", PRIVATE, HOST, NULL, NULL},
	{"https://127.1", PRIVATE, HOST, NULL, NULL},
	{"https://127.0.1", PRIVATE, HOST, NULL, NULL},
	{"https://127.65535", PRIVATE, HOST, NULL, NULL},
	{"https://127.0.0.01", PRIVATE, HOST, NULL, NULL},
	{"https://127.0.0.001", PRIVATE, HOST, NULL, NULL},
	{"https://0", PRIVATE, HOST, NULL, NULL},
	{"https://1", PRIVATE, HOST, NULL, NULL},
	{"https://0x0", PRIVATE, HOST, NULL, NULL},
	{"https://10.1", PRIVATE, HOST, NULL, NULL},
	{"https://192.168.257", PRIVATE, HOST, NULL, NULL},
	{"https://0xa9fea9fe", PRIVATE, HOST, NULL, NULL},
	{"https://2852039166", PRIVATE, HOST, NULL, NULL},
	{"https://0251.0376.0251.0376", PRIVATE, HOST, NULL, NULL},
	{"https://4294967295", PRIVATE, HOST, NULL, NULL},
	/* public, but not as it should be written */
	{"https://134744072", HOST, HOST, NULL, NULL},
	{"https://0x08080808", HOST, HOST, NULL, NULL},
	{"https://010.8.8.8", HOST, HOST, NULL, NULL},
	{"https://8.8.2056", HOST, HOST, NULL, NULL},
	{"https://8.8", HOST, HOST, NULL, NULL},
	{"https://8.8.8.08", HOST, HOST, NULL, NULL},
	{"https://8.8.8.010", HOST, HOST, NULL, NULL},
	{"https://8.8.8.0x8", HOST, HOST, NULL, NULL},
	/* no address at all */
	{"https://256.0.0.1", HOST, HOST, NULL, NULL},
	{"https://8.8.8.256", HOST, HOST, NULL, NULL},
	{"https://127.0.0.256", HOST, HOST, NULL, NULL},
	{"https://4294967296", HOST, HOST, NULL, NULL},
	{"https://0x100000000", HOST, HOST, NULL, NULL},
	{"https://18446744073709551617", HOST, HOST, NULL, NULL},
	{"https://1.2.3.4.5", HOST, HOST, NULL, NULL},
	{"https://127.0.0.1.1", HOST, HOST, NULL, NULL},
	{"https://8.8.8.09", HOST, HOST, NULL, NULL},
	{"https://example.1", HOST, HOST, NULL, NULL},
	{"https://example.0x1", HOST, HOST, NULL, NULL},
	{"https://example.0xaF", HOST, HOST, NULL, NULL},
	{"https://example.0x", HOST, HOST, NULL, NULL},
	{"https://0x", HOST, HOST, NULL, NULL},
	{"https://example.com.080", HOST, HOST, NULL, NULL},
	{"https://8.8.8.8a", OK, OK, NULL, NULL},
};

static const TestCase ipv6_cases[] = {
	{"https://[2606:4700:4700::1111]", OK, OK, NULL, "2606:4700:4700::1111"},
	{"https://[2606:4700:4700::1111]/v1", OK, OK, NULL, NULL},
	{"https://[2606:4700:4700:0:0:0:0:1111]/v1", OK, OK,
	"https://[2606:4700:4700::1111]/v1", "2606:4700:4700::1111"},
	{"https://[2606:4700:4700:0000:0000:0000:0000:1111]", OK, OK,
	"https://[2606:4700:4700::1111]", NULL},
	{"https://[2A00:1450:4001:0810::200E]", OK, OK,
	"https://[2a00:1450:4001:810::200e]", "2a00:1450:4001:810::200e"},
	{"https://[2a00::8.8.8.8]", OK, OK, "https://[2a00::808:808]", NULL},
	{"https://[::1]:8080/v1", PRIVATE, OK, NULL, "::1"},
	{"http://[::1]:80/v1", SCHEME, OK, "http://[::1]/v1", "::1"},
	{"https://[0:0:0:0:0:0:0:1]", PRIVATE, OK, "https://[::1]", "::1"},
	{"https://[::]", PRIVATE, OK, NULL, NULL},
	{"https://[0::0]", PRIVATE, OK, "https://[::]", NULL},
	{"https://[fd00:ec2::254]", PRIVATE, OK, NULL, NULL},
	/* an IPv4 address inside, public or not */
	{"https://[::ffff:127.0.0.1]", PRIVATE, OK, NULL, "::ffff:127.0.0.1"},
	{"https://[::ffff:7f00:1]", PRIVATE, OK,
	"https://[::ffff:127.0.0.1]", "::ffff:127.0.0.1"},
	{"https://[::ffff:8.8.8.8]", PRIVATE, OK, NULL, NULL},
	{"https://[::FFFF:8.8.8.8]", PRIVATE, OK, "https://[::ffff:8.8.8.8]", NULL},
	{"https://[::ffff:0:8.8.8.8]", PRIVATE, OK,
	"https://[::ffff:0:808:808]", NULL},
	{"https://[::127.0.0.1]", PRIVATE, OK, NULL, NULL},
	{"https://[::8.8.8.8]", PRIVATE, OK, NULL, NULL},
	{"https://[64:ff9b::127.0.0.1]", PRIVATE, OK, "https://[64:ff9b::7f00:1]", NULL},
	{"https://[64:ff9b::8.8.8.8]", PRIVATE, OK, "https://[64:ff9b::808:808]", NULL},
	{"https://[2002:7f00:1::]", PRIVATE, OK, NULL, NULL},
	{"https://[2002:808:808::1]", PRIVATE, OK, NULL, NULL},
	{"https://[2001:0:808:808::1]", PRIVATE, OK, NULL, NULL},
	/* malformed */
	{"https://[]", HOST, HOST, NULL, NULL},
	{"https://[", HOST, HOST, NULL, NULL},
	{"https://]", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::1", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::1/v1", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::1/]", HOST, HOST, NULL, NULL},
	{"https://2606:4700::1]", PRIVATE, HOST, NULL, NULL},
	{"https://[2606:4700::1]]", HOST, HOST, NULL, NULL},
	{"https://[[2606:4700::1]]", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::1]x", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::1].example.com", HOST, HOST, NULL, NULL},
	{"https://x[2606:4700::1]", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::1%25eth0]", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::1%eth0]", HOST, HOST, NULL, NULL},
	{"https://[fe80::1%25eth0]", HOST, HOST, NULL, NULL},
	{"https://[fe80::1%1]", HOST, HOST, NULL, NULL},
	{"https://[2606:4700:::1]", HOST, HOST, NULL, NULL},
	{"https://[2606::4700::1]", HOST, HOST, NULL, NULL},
	{"https://[2606:4700:1]", HOST, HOST, NULL, NULL},
	{"https://[2606:1:2:3:4:5:6:7:8]", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::12345]", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::g]", HOST, HOST, NULL, NULL},
	{"https://[2a00::8.8.8]", HOST, HOST, NULL, NULL},
	{"https://[2a00::8.8.8.08]", HOST, HOST, NULL, NULL},
	{"https://[::ffff:0177.0.0.1]", HOST, HOST, NULL, NULL},
	{"https://[8.8.8.8]", HOST, HOST, NULL, NULL},
	{"https://[127.0.0.1]", HOST, HOST, NULL, NULL},
	{"https://[localhost]", HOST, HOST, NULL, NULL},
	{"https://[v1.x]", HOST, HOST, NULL, NULL},
	{"https://[2606:4700::0000000000000000000000000000000001]", HOST, HOST, NULL, NULL},
	/* the longest text there is, 45 bytes, and one more */
	{"https://[2606:4700:0000:0000:0000:0000:255.255.255.255]", OK, OK,
	"https://[2606:4700::ffff:ffff]", NULL},
	{"https://[2606:4700:0000:0000:0000:0000:255.255.255.2555]", HOST, HOST, NULL, NULL},
	/* without brackets the first group is the host, here 0.0.10.46 */
	{"https://2606:4700::1", PRIVATE, HOST, NULL, NULL},
	{"https://2a00:4700::1", PRIVATE, PORT, NULL, NULL},
	{"https://::1", HOST, HOST, NULL, NULL},
};

/* Two lists of addresses, canonical: the edges of every range. */
static const char *const public_addresses[] = {
	"1.0.0.0",
	"9.255.255.255", "11.0.0.0",
	"100.63.255.255", "100.128.0.0",
	"126.255.255.255", "128.0.0.0",
	"168.63.129.15", "168.63.129.17",
	"169.253.255.255", "169.255.0.0",
	"172.15.255.255", "172.32.0.0",
	"191.255.255.255", "192.0.1.0",
	"192.0.1.255", "192.0.3.0",
	"192.88.98.255", "192.88.100.0",
	"192.167.255.255", "192.169.0.0",
	"198.17.255.255", "198.20.0.0",
	"198.51.99.255", "198.51.101.0",
	"203.0.112.255", "203.0.114.0",
	"223.255.255.255",
	"[2000::]",
	"[2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[2001:200::]",
	"[2001:db7:ffff:ffff:ffff:ffff:ffff:ffff]", "[2001:db9::]",
	"[2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[2003::]",
	"[3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[3fff:1000::]",
	"[3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
};

static const char *const private_addresses[] = {
	"0.0.0.0", "0.255.255.255",
	"10.0.0.0", "10.255.255.255",
	"100.64.0.0", "100.127.255.255", "100.100.100.200",
	"127.0.0.0", "127.255.255.255",
	"168.63.129.16",
	"169.254.0.0", "169.254.255.255",
	"172.16.0.0", "172.31.255.255",
	"192.0.0.0", "192.0.0.255",
	"192.0.2.0", "192.0.2.255",
	"192.88.99.0", "192.88.99.255",
	"192.168.0.0", "192.168.255.255",
	"198.18.0.0", "198.19.255.255",
	"198.51.100.0", "198.51.100.255",
	"203.0.113.0", "203.0.113.255",
	"224.0.0.0", "239.255.255.255",
	"240.0.0.0", "255.255.255.255",
	/* outside of 2000::/3 */
	"[::]", "[::1]", "[::2]",
	"[::ffff:0.0.0.0]", "[::ffff:255.255.255.255]",
	"[64:ff9b::]", "[64:ff9b::ffff:ffff]",
	"[64:ff9b:1::]", "[64:ff9b:1:ffff:ffff:ffff:ffff:ffff]",
	"[100::]", "[100::ffff:ffff:ffff:ffff]",
	"[1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
	"[4000::]",
	"[5f00::]",
	"[fc00::]", "[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
	"[fe00::]",
	"[fe80::]", "[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
	"[fec0::]", "[feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
	"[ff00::]", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
	/* inside of it */
	"[2001::]", "[2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff]",
	"[2001:db8::]", "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]",
	"[2002::]", "[2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
	"[3fff::]", "[3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff]",
};

typedef struct SuffixCase
{
	const char *host;
	const char *suffix;
	bool		expected;
} SuffixCase;

static const SuffixCase suffix_cases[] = {
	{"x.openai.azure.com", ".openai.azure.com", true},
	{"a.b.openai.azure.com", ".openai.azure.com", true},
	{"X.OpenAI.Azure.com", ".openai.azure.com", true},
	{"x.openai.azure.com", ".OPENAI.azure.COM", true},
	{"x.y", ".y", true},
	{"openai.azure.com", ".openai.azure.com", false},
	{".openai.azure.com", ".openai.azure.com", false},
	{"..openai.azure.com", ".openai.azure.com", false},
	{"x..openai.azure.com", ".openai.azure.com", false},
	{".x.openai.azure.com", ".openai.azure.com", false},
	{"a..x.openai.azure.com", ".openai.azure.com", false},
	{"xopenai.azure.com", ".openai.azure.com", false},
	{"x-openai.azure.com", ".openai.azure.com", false},
	{"x.openai.azure.com.evil.com", ".openai.azure.com", false},
	{"x.openai.azure.com.", ".openai.azure.com", false},
	{"x.openai.azure.co", ".openai.azure.com", false},
	{"x.openai-azure.com", ".openai.azure.com", false},
	{"x.openai.azure.con", ".openai.azure.com", false},
	{"com", ".openai.azure.com", false},
	{"", ".openai.azure.com", false},
	{"x.openai.azure.com", "openai.azure.com", false},
	{"x.openai.azure.com", "com", false},
	{"x.openai.azure.com", ".", false},
	{"x.", ".", false},
	{"x.openai.azure.com", "", false},
	{"x", "", false},
	{"", "", false},
	/* letters and other characters that differ in the same bit */
	{"x.a@b", ".a`b", false},
	{"x.a[b", ".a{b", false},
	{NULL, ".openai.azure.com", false},
	{"x.openai.azure.com", NULL, false},
	{NULL, NULL, false},
};

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

static const char *
mode_name(bool allow_insecure)
{
	return allow_insecure ? "insecure" : "strict";
}

/* Guarded memory that holds just these bytes. */
static char *
guarded_copy(const char *bytes, size_t len)
{
	char	   *copy = sodium_malloc(len);

	if (copy == NULL)
	{
		fprintf(stderr, "# out of guarded memory\n");
		exit(EXIT_FAILURE);
	}
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

static TarxKeysBaseUrlStatus
run(const char *bytes, size_t len, bool allow_insecure, TarxKeysBaseUrl *out)
{
	char	   *copy = guarded_copy(bytes, len);
	TarxKeysBaseUrlStatus status;

	/* Leftovers must neither survive nor matter. */
	memset(out, 0xa5, sizeof(*out));
	status = tarx_keys_baseurl_canonicalize(copy, len, allow_insecure, out);
	sodium_free(copy);
	return status;
}

/* NULL if *out is what it has to be after this status, else what is wrong. */
static const char *
fault_in_result(TarxKeysBaseUrlStatus status, bool allow_insecure,
				const TarxKeysBaseUrl *out)
{
	TarxKeysBaseUrl again;

	if (status != OK)
		return sodium_is_zero((const unsigned char *) out, sizeof(*out)) ?
			NULL : "result not zero after failure";
	if (out->len > TARX_KEYS_BASEURL_MAX ||
		memchr(out->url, '\0', sizeof(out->url)) != out->url + out->len)
		return "wrong length";
	if (memchr(out->host, '\0', sizeof(out->host)) == NULL ||
		strstr(out->url, out->host) == NULL || out->host[0] == '\0')
		return "host not in URL";
	if (run(out->url, out->len, allow_insecure, &again) != OK)
		return "canonical form refused";
	if (memcmp(&again, out, sizeof(again)) != 0)
		return "canonical form not stable";
	return NULL;
}

static void
check_bytes(const char *name, const char *bytes, size_t len,
			bool allow_insecure, TarxKeysBaseUrlStatus expected,
			const char *canonical, const char *host)
{
	const char *mode = mode_name(allow_insecure);
	TarxKeysBaseUrl out;
	TarxKeysBaseUrlStatus status = run(bytes, len, allow_insecure, &out);

	is_int(status, expected, "%s: status of %s", mode, name);
	is_str(fault_in_result(status, allow_insecure, &out), NULL,
		   "%s: result of %s", mode, name);
	if (expected == OK)
	{
		is_str(out.url, canonical, "%s: canonical form of %s", mode, name);
		if (host != NULL)
			is_str(out.host, host, "%s: host of %s", mode, name);
	}
}

static void
check_case(const TestCase *test)
{
	const char *canonical = test->canonical;
	size_t		len = strlen(test->url);

	if (canonical == NULL)
		canonical = test->url;
	check_bytes(test->url, test->url, len, false, test->strict, canonical,
				test->host);
	check_bytes(test->url, test->url, len, true, test->insecure, canonical,
				test->host);
}

static void
check_cases(const TestCase *tests, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_case(&tests[i]);
}

/* An address in canonical text is admitted strictly only if it is public. */
static void
check_addresses(const char *const *addresses, size_t count,
				TarxKeysBaseUrlStatus strict)
{
	for (size_t i = 0; i < count; i++)
	{
		char		url[128];
		TestCase	test = {url, strict, OK, NULL, NULL};

		snprintf(url, sizeof(url), "https://%s/v1", addresses[i]);
		check_case(&test);
	}
}

/* Every byte value in every part of a URL: none may do anything unexpected. */
static void
check_every_byte(void)
{
	static const char path_marks[] = "-._~!$&'()*+,;=:@/";
	static const char template[] = "https://a?b.example.com/c?d";
	const size_t host_at = 9;
	const size_t path_at = 25;

	for (int c = 0; c < 256; c++)
	{
		bool		alnum = (c >= '0' && c <= '9') ||
		(c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		bool		mark = c != 0 && strchr(path_marks, c) != NULL;
		char		url[sizeof(template)];
		TarxKeysBaseUrl out;

		memcpy(url, template, sizeof(template));
		url[host_at] = (char) c;
		url[path_at] = 'x';
		/* A slash ends the host early, at "a", which is not public. */
		ok((run(url, sizeof(url) - 1, false, &out) == OK) ==
		   (alnum || c == '-' || c == '.'), "byte %d in host", c);

		url[host_at] = 'x';
		url[path_at] = (char) c;
		ok((run(url, sizeof(url) - 1, false, &out) == OK) ==
		   (alnum || mark), "byte %d in path", c);
	}
}

static void
check_embedded_nul(void)
{
	static const char *const names[] = {"first", "in scheme", "in host", "in path", "last"};
	static const size_t offsets[] = {0, 2, 12, 24, 25};
	static const char valid[] = "https://api.openai.com/v1x";

	for (size_t i = 0; i < lengthof(offsets); i++)
	{
		char		url[sizeof(valid)];

		memcpy(url, valid, sizeof(valid));
		url[offsets[i]] = '\0';
		check_bytes(names[i], url, sizeof(url) - 1, false, CHARACTERS, NULL, NULL);
		check_bytes(names[i], url, sizeof(url) - 1, true, CHARACTERS, NULL, NULL);
	}
}

static void
check_empty(void)
{
	TarxKeysBaseUrl out;

	check_bytes("no bytes", "", 0, false, EMPTY, NULL, NULL);
	check_bytes("no bytes", "", 0, true, EMPTY, NULL, NULL);
	memset(&out, 0xa5, sizeof(out));
	is_int(tarx_keys_baseurl_canonicalize(NULL, 0, false, &out), EMPTY,
		   "NULL without length");
	ok(sodium_is_zero((const unsigned char *) &out, sizeof(out)),
	   "result of NULL without length is zero");
	is_int(tarx_keys_baseurl_canonicalize(NULL, 5, false, &out), EMPTY,
		   "NULL with length");
}

/* prefix, filled up with path characters to the length wanted. */
static void
check_filled(const char *prefix, size_t len, bool allow_insecure,
			 TarxKeysBaseUrlStatus expected, const char *canonical_prefix)
{
	char		url[TARX_KEYS_BASEURL_MAX + 16];
	char		canonical[TARX_KEYS_BASEURL_MAX + 32];
	char		name[64];
	size_t		prefix_len = strlen(prefix);

	memset(url, 'p', sizeof(url));
	memcpy(url, prefix, prefix_len);
	snprintf(canonical, sizeof(canonical), "%s%.*s", canonical_prefix,
			 (int) (len - prefix_len), url + prefix_len);
	snprintf(name, sizeof(name), "%s... of %zu bytes", prefix, len);
	check_bytes(name, url, len, allow_insecure, expected, canonical, NULL);
}

static void
check_lengths(void)
{
	const char *plain = "https://api.openai.com/";
	const char *with_port = "https://api.openai.com:443/";
	const char *mapped = "https://[::ffff:7f00:1]/";
	const char *mapped_canonical = "https://[::ffff:127.0.0.1]/";
	const char *one_zero = "https://[2606::1:2:3:4:5:6]/";
	const char *one_zero_canonical = "https://[2606:0:1:2:3:4:5:6]/";

	/* These tests are about this very limit. */
	is_int(TARX_KEYS_BASEURL_MAX, 2048, "the limit");
	check_filled(plain, 2047, false, OK, plain);
	check_filled(plain, 2048, false, OK, plain);
	check_filled(plain, 2048, true, OK, plain);
	check_filled(plain, 2049, false, TOO_LONG, plain);
	check_filled(plain, 2049, true, TOO_LONG, plain);
	/* What is given counts, even if the canonical form would be short enough. */
	check_filled(with_port, 2048, false, OK, plain);
	check_filled(with_port, 2049, false, TOO_LONG, plain);
	/* So does the canonical form, which can be the longer one. */
	check_filled(mapped, 2048 - 3, true, OK, mapped_canonical);
	check_filled(mapped, 2048 - 2, true, TOO_LONG, mapped_canonical);
	check_filled(mapped, 2048, true, TOO_LONG, mapped_canonical);
	check_filled(one_zero, 2048 - 1, false, OK, one_zero_canonical);
	check_filled(one_zero, 2048, false, TOO_LONG, one_zero_canonical);
}

/* Cut at any place, a URL is read no further than that. */
static void
check_truncation(void)
{
	static const char *const urls[] = {
		"https://api.openai.com:8443/v1/%41",
		"https://[2606:4700:4700::1111]:8443/v1/%41",
	};

	for (size_t i = 0; i < lengthof(urls); i++)
	{
		for (size_t len = 0; len <= strlen(urls[i]); len++)
		{
			TarxKeysBaseUrl out;
			TarxKeysBaseUrlStatus status = run(urls[i], len, false, &out);

			is_str(fault_in_result(status, false, &out), NULL,
				   "%s cut to %zu bytes", urls[i], len);
		}
	}
}

static void
check_problems(void)
{
	for (int status = OK; status <= PRIVATE; status++)
	{
		const char *text = tarx_keys_baseurl_problem((TarxKeysBaseUrlStatus) status);

		ok(strncmp(text, "base URL ", 9) == 0 &&
		   text[strlen(text) - 1] != '.', "form of text of status %d", status);
		for (int other = OK; other < status; other++)
			ok(strcmp(text, tarx_keys_baseurl_problem((TarxKeysBaseUrlStatus) other)) != 0,
			   "texts of status %d and %d differ", status, other);
	}
	is_str(tarx_keys_baseurl_problem(SCHEME), "base URL must use https",
		   "text of a wrong scheme");
}

static void
check_unknown_problem(void)
{
	/* Within the range of the enum's type, but without a name. */
	is_str(tarx_keys_baseurl_problem((TarxKeysBaseUrlStatus) (PRIVATE + 1)),
		   "base URL is not valid", "text of an unknown status");
}

static void
check_suffixes(void)
{
	for (size_t i = 0; i < lengthof(suffix_cases); i++)
	{
		const SuffixCase *test = &suffix_cases[i];

		ok(tarx_keys_baseurl_host_has_suffix(test->host, test->suffix) ==
		   test->expected, "%s below %s: %s",
		   test->host != NULL ? test->host : "(null)",
		   test->suffix != NULL ? test->suffix : "(null)",
		   test->expected ? "yes" : "no");
	}
}

int
main(void)
{
	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		return EXIT_FAILURE;
	}

	check_cases(scheme_cases, lengthof(scheme_cases));
	check_cases(character_cases, lengthof(character_cases));
	check_cases(userinfo_query_cases, lengthof(userinfo_query_cases));
	check_cases(host_cases, lengthof(host_cases));
	check_cases(private_name_cases, lengthof(private_name_cases));
	check_cases(port_cases, lengthof(port_cases));
	check_cases(path_cases, lengthof(path_cases));
	check_cases(ipv4_cases, lengthof(ipv4_cases));
	check_cases(ipv6_cases, lengthof(ipv6_cases));
	check_addresses(public_addresses, lengthof(public_addresses), OK);
	check_addresses(private_addresses, lengthof(private_addresses), PRIVATE);
	check_every_byte();
	check_embedded_nul();
	check_empty();
	check_lengths();
	check_truncation();
	check_problems();
	check_unknown_problem();
	check_suffixes();

	return done_testing();
}
