# Turns files into C arrays: cmake -DPREFIX=page_ -DOUT=file.c "-DFILES=a;b" -P embed.cmake, or included.
# chat.js becomes `const unsigned char page_chat_js[]` and `const unsigned long page_chat_js_len`.
set(text "")
foreach(file ${FILES})
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${PREFIX}${name} symbol)
    file(READ ${file} hex HEX)
    string(LENGTH "${hex}" digits)
    math(EXPR length "${digits} / 2")
    string(REGEX REPLACE "(................................)" "\\1\n    " hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    string(APPEND text "extern const unsigned char ${symbol}[];\nextern const unsigned long ${symbol}_len;\n"
        "const unsigned char ${symbol}[] = {\n    ${hex}0};\nconst unsigned long ${symbol}_len = ${length};\n")
endforeach()
file(WRITE ${OUT} "${text}")
