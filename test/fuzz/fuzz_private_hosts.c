/*
 * fuzz_private_hosts.c
 *	  The list of private hosts: whatever it says, it admits no metadata service,
 *	  and a malformed one admits nothing.
 *
 * Input: a list with its length in front; a byte, odd for https; two bytes of a
 * port; the URL's authority.
 */
#include "pure/baseurl.h"
#include "pure/private_hosts.h"
#include "fuzz.h"

static TarxKeysSpan
span_of(const FuzzPiece *piece)
{
	return (TarxKeysSpan) {(const char *) piece->data, piece->len};
}

static void
check_url(TarxKeysSpan list, bool https, const FuzzPiece *host)
{
	char	   *url = calloc(1, host->len + sizeof("https://"));
	TarxKeysBaseUrl out;
	TarxKeysBaseUrl strict;
	size_t		entry;

	must(url != NULL);
	strcpy(url, https ? "https://" : "http://");
	memcpy(url + strlen(url), host->data, host->len);
	if (tarx_keys_baseurl_canonicalize(url, strlen(url), list, &out) == TARX_KEYS_BASEURL_OK)
	{
		TarxKeysSpan text = {out.host, strlen(out.host)};
		TarxKeysUrlHost read;

		must(tarx_keys_url_host_read(text, strchr(out.host, ':') != NULL, &read) && read.canonical);
		must(!tarx_keys_url_host_is_metadata(&read));
		/* what only the list admits needs one that is well-formed */
		if (tarx_keys_baseurl_canonicalize(url, strlen(url), (TarxKeysSpan) {"", 0}, &strict) !=
			TARX_KEYS_BASEURL_OK)
			must(list.len > 0 && tarx_keys_private_hosts_check(list, &entry) == TARX_KEYS_HOSTS_OK);
	}
	free(url);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	FuzzPiece	list = fuzz_piece(&in);
	bool		https = fuzz_byte(&in) % 2 == 1;
	unsigned int port = fuzz_byte(&in) * 256U;
	FuzzPiece	host;
	TarxKeysUrlHost read;
	size_t		entry = 0;
	TarxKeysPrivateHostsProblem problem = tarx_keys_private_hosts_check(span_of(&list), &entry);

	port += fuzz_byte(&in);
	host = fuzz_rest(&in);
	must((problem == TARX_KEYS_HOSTS_OK) == (entry == 0));
	must(tarx_keys_private_hosts_problem(problem) != NULL);
	if (tarx_keys_url_host_read(span_of(&host), false, &read) &&
		tarx_keys_private_hosts_admit(span_of(&list), &read, https, port))
	{
		must(problem == TARX_KEYS_HOSTS_OK && !tarx_keys_url_host_is_metadata(&read));
		/* what may go over http may go over https */
		must(tarx_keys_private_hosts_admit(span_of(&list), &read, true, port));
	}
	check_url(span_of(&list), https, &host);
	free(list.data);
	free(host.data);
	return 0;
}
