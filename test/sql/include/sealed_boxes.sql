-- Boxes to the public keys of the master keys in test/server.conf, made by the
-- program in examples/sealed, which make installcheck builds. They are made anew each
-- time, because no box may live for longer than a day. Included with ECHO none.
\set seal :abs_srcdir /../examples/sealed/seal
\set soon `echo $(($(date +%s) + 36000))`
\set too_late `echo $(($(date +%s) + 86400 + 36000))`
\set milliseconds :soon 000
\set active 6d54d629b6d603301e29883b19fb0d79495b1d5175f7d3c6d4c67e9bfde49100
\set retired 59204b2d11581ad8aae3e4209daf0c47fa5ee9e1a9ad5e56fccf07d88a374270
\set foreign 2b3444f2bfe3dd3a0ba437d444b513a93944395c0d45446c3a5438b06b066d5b
\set project aaaaaaaa-0000-4000-8000-000000000001
\set value sk-proj-boxed-0123456789abcdef0123456789

-- LLM keys in format 1, without options
\set key '\\x' `printf :value | :'seal' llm-key -e :soon :active :project openai Boxed`
\set key_expired '\\x' `printf :value | :'seal' llm-key -e 1 :active :project openai Boxed`
\set key_too_late '\\x' `printf :value | :'seal' llm-key -e :too_late :active :project openai Boxed`
\set key_milliseconds '\\x' `printf :value | :'seal' llm-key -e :milliseconds :active :project openai Boxed`
\set key_empty_url '\\x' `printf :value | :'seal' llm-key -e :soon :active :project openai Boxed ''`
\set key_retired '\\x' `printf :value | :'seal' llm-key -e :soon :retired :project openai Retired`
\set key_foreign '\\x' `printf :value | :'seal' llm-key -e :soon :foreign :project openai Boxed`
\set key_url '\\x' `printf :value | :'seal' llm-key -e :soon :active :project openai_compatible 'With URL' https://LLM.example/v1`
\set key_nonesuch '\\x' `printf :value | :'seal' llm-key -e :soon :active :project nonesuch Boxed`
\set key_short '\\x' `printf abc | :'seal' llm-key -e :soon :active :project openai Boxed`
\set key_empty '\\x' `printf '' | :'seal' llm-key -e :soon :active :project openai Boxed`
\set key_masked '\\x' `printf 'sk-proj-abc\342\200\2466789' | :'seal' llm-key -e :soon :active :project openai Boxed`
\set key_lines '\\x' `printf 'sk-proj-abc\n0123' | :'seal' llm-key -e :soon :active :project openai Boxed`
\set key_bearer '\\x' `printf 'Bearer :value' | :'seal' llm-key -e :soon :active :project openai Boxed`
-- what is stored of these is another name, and another base URL
\set key_decomposed '\\x' `printf :value | :'seal' llm-key -e :soon :active :project openai "$(printf 'Cafe\314\201')"`
\set key_call '\\x' `printf :value | :'seal' llm-key -e :soon :active :project openai_compatible Call https://LLM.example/v1/chat/completions`

-- LLM keys in format 2, with destination and options
\set usual https://api.openai.com/v1
\set to_sol 'llm-key -e ' :soon ' -d ' :usual ' -o /dev/fd/3 ' :active ' ' :project ' openai Sol'
\set acme '\\x' `printf :value | :'seal' llm-key -e :soon -d https://one.acme.example/v1 :active :project acme Acme`
\set sol '\\x' `printf :value | :'seal' llm-key -e :soon -d :usual :active :project openai Sol`
\set sol_options '\\x' `echo '{"priority": 5, "allowed_models": ["gpt-5"], "headers": {"X-Title": "a\\u0022b\\\\c", "x-gateway-key": "gw-0123456789abcdef"}}' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_elsewhere '\\x' `printf :value | :'seal' llm-key -e :soon -d https://evil.example/v1 :active :project openai Sol`
\set sol_no_destination '\\x' `printf :value | :'seal' llm-key -e :soon -d '' :active :project openai Sol`
\set sol_expired '\\x' `printf :value | :'seal' llm-key -e 1 -d :usual :active :project openai Sol`
\set sol_too_late '\\x' `printf :value | :'seal' llm-key -e :too_late -d :usual :active :project openai Sol`
\set typed https://LLM.example/v1/chat/completions
\set luna_typed '\\x' `printf :value | :'seal' llm-key -e :soon -d :typed :active :project openai_compatible Luna :typed`
\set luna_canonical '\\x' `printf :value | :'seal' llm-key -e :soon -d https://llm.example/v1 :active :project openai_compatible Luna :typed`
\set luna_neither '\\x' `printf :value | :'seal' llm-key -e :soon -d https://llm.example/v1/chat/completions :active :project openai_compatible Luna :typed`
-- what is no JSON object
\set sol_no_json '\\x' `echo '{"headers": {"x-gateway-key": "gw-0123456789abcdef"}, nonsense}' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_cut '\\x' `echo '{"headers": {"x-gateway-key": "gw-0123456789abcdef' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_nothing '\\x' `printf '' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_array '\\x' `echo '[{"priority": 5}]' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_text '\\x' `echo '"gw-0123456789abcdef"' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_null '\\x' `echo null | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_surrogate '\\x' `echo '{"headers": {"x-gateway-key": "gw-0123456789abcdef\\ud800"}}' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_nul '\\x' `echo '{"headers": {"x-gateway-key": "gw-0123456789abcdef\\u0000"}}' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_latin1 '\\x' `printf '{"headers": {"x-gateway-key": "gw-0123456789abcdef\351"}}' | { printf :value | :'seal' :to_sol; } 3<&0`
-- what PostgreSQL's parser gives up, with errors of its own
\set sol_number '\\x' `echo '{"priority": 1e9999999999}' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_deep '\\x' `{ printf '{"headers": '; head -c 50000 /dev/zero | tr '\\0' '['; head -c 50000 /dev/zero | tr '\\0' ']'; echo '}'; } | { printf :value | :'seal' :to_sol; } 3<&0`
-- objects that break a rule
\set sol_unknown '\\x' `echo '{"colour": "red"}' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_type '\\x' `echo '{"priority": "5"}' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_authorization '\\x' `echo '{"headers": {"Authorization": "gw-0123456789abcdef"}}' | { printf :value | :'seal' :to_sol; } 3<&0`
\set sol_header '\\x' `echo '{"headers": {"x-gateway-key": ["gw-0123456789abcdef"]}}' | { printf :value | :'seal' :to_sol; } 3<&0`

-- secrets
\set secret '\\x' `printf 'first line\nsecond line' | :'seal' secret -e :soon :active :project BOXED`
\set secret_expired '\\x' `printf 'not any more' | :'seal' secret -e 1 :active :project BOXED`
\set secret_too_late '\\x' `printf 'not yet' | :'seal' secret -e :too_late :active :project BOXED`
\set secret_empty '\\x' `printf '' | :'seal' secret -e :soon :active :project BOXED`
\set secret_nul '\\x' `printf 'a\000b' | :'seal' secret -e :soon :active :project BOXED`
\set secret_latin1 '\\x' `printf 'caf\351' | :'seal' secret -e :soon :active :project BOXED`
-- named as a secret could be and a provider, so that only the purpose differs
\set secret_openai '\\x' `printf :value | :'seal' secret -e :soon :active :project openai`
