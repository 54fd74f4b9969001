/*
 * pure.h
 *	  Cryptography, byte formats and rules for texts and URLs, without PostgreSQL.
 *
 * Each file of this folder has a header of its own and is built, tested and
 * fuzzed on its own.  Other folders include this one.
 */
#ifndef TARX_KEYS_PURE_H
#define TARX_KEYS_PURE_H

#include "pure/ascii.h"
#include "pure/audit_chain.h"
#include "pure/base64url.h"
#include "pure/baseurl.h"
#include "pure/baseurl_paths.h"
#include "pure/crypto.h"
#include "pure/envelope.h"
#include "pure/fields.h"
#include "pure/first_line.h"
#include "pure/header_rules.h"
#include "pure/jws.h"
#include "pure/jwt.h"
#include "pure/key_form.h"
#include "pure/key_payload.h"
#include "pure/keyring_text.h"
#include "pure/mask.h"
#include "pure/model_path.h"
#include "pure/private_hosts.h"
#include "pure/public_host.h"
#include "pure/resolved_box.h"
#include "pure/run_ticket.h"
#include "pure/sealed_box.h"
#include "pure/sensitive_text.h"
#include "pure/template.h"
#include "pure/text_rules.h"
#include "pure/token.h"

#endif							/* TARX_KEYS_PURE_H */
