/*
 * errcodes.h
 *	  The SQLSTATEs of tarx_keys itself.
 *
 * If PostgreSQL has a code for a condition, we use that one.  Class TK is for the
 * others.  The table in docs/reference.md follows this list.
 */
#ifndef TARX_KEYS_ERRCODES_H
#define TARX_KEYS_ERRCODES_H

#define ERRCODE_TK_CLASS				MAKE_SQLSTATE('T','K','0','0','0')

#define ERRCODE_TK_KEY_NOT_FOUND		MAKE_SQLSTATE('T','K','0','0','1')
#define ERRCODE_TK_KEY_DELETED			MAKE_SQLSTATE('T','K','0','0','2')
#define ERRCODE_TK_AGENT_WITHOUT_KEY	MAKE_SQLSTATE('T','K','0','0','3')
#define ERRCODE_TK_INTEGRITY			MAKE_SQLSTATE('T','K','0','0','4')
#define ERRCODE_TK_NO_KEYRING			MAKE_SQLSTATE('T','K','0','0','5')
#define ERRCODE_TK_MASTER_KEY_MISSING	MAKE_SQLSTATE('T','K','0','0','6')
#define ERRCODE_TK_NO_ACTING_USER		MAKE_SQLSTATE('T','K','0','0','7')
#define ERRCODE_TK_LOGIN_FAILED			MAKE_SQLSTATE('T','K','0','1','0')
#define ERRCODE_TK_SECRET_NOT_FOUND		MAKE_SQLSTATE('T','K','0','1','1')
#define ERRCODE_TK_SEALED_BOX			MAKE_SQLSTATE('T','K','0','1','3')
#define ERRCODE_TK_NO_USABLE_KEY		MAKE_SQLSTATE('T','K','0','1','4')
#define ERRCODE_TK_KEY_NOT_USABLE		MAKE_SQLSTATE('T','K','0','1','5')
#define ERRCODE_TK_RUN_TICKET			MAKE_SQLSTATE('T','K','0','1','6')
#define ERRCODE_TK_RUN_EXPIRED			MAKE_SQLSTATE('T','K','0','1','7')

#endif							/* TARX_KEYS_ERRCODES_H */
