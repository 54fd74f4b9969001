/*
 * test_baseurl_hosts.c
 *	  Unit tests of the hosts in base URLs, in TAP.
 *
 * Which hosts are public is tested with public_host.c.
 */
#include "baseurl_cases.h"

/* Labels and names of a given length. */
#define TEN			"abcdefghij"
#define LABEL_63	TEN TEN TEN TEN TEN TEN "abc"
#define LABEL_61	TEN TEN TEN TEN TEN TEN "a"
#define NAME_253	LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61
#define NAME_254	LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61 "b"

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
	{"https://instance-data/latest", PRIVATE, OK, NULL, NULL},
	{"https://" LABEL_63, PRIVATE, OK, NULL, LABEL_63},
	{"https://" LABEL_63 "d", HOST, HOST, NULL, NULL},
	{"https://a.b.LocalHost", PRIVATE, OK, "https://a.b.localhost", NULL},
	{"https://Instance-Data.example.com", PRIVATE, OK,
	"https://instance-data.example.com", NULL},
	{"https://metadata.goog/computeMetadata/v1/", PRIVATE, OK, NULL, NULL},
	{"https://localhost.example.com", OK, OK, NULL, NULL},
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

int
main(void)
{
	init_guarded_memory();
	check_cases(host_cases, lengthof(host_cases));
	check_cases(private_name_cases, lengthof(private_name_cases));
	check_cases(ipv4_cases, lengthof(ipv4_cases));
	check_cases(ipv6_cases, lengthof(ipv6_cases));

	return done_testing();
}
