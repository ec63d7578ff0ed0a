# Turns files into C arrays: cmake -DOUT=file.c "-DFILES=a;b" -P embed.cmake
# chat.js becomes `const unsigned char page_chat_js[]` and `const unsigned long page_chat_js_len`.
set(text "")
foreach(file ${FILES})
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} symbol)
    file(READ ${file} hex HEX)
    string(LENGTH "${hex}" digits)
    math(EXPR length "${digits} / 2")
    string(REGEX REPLACE "(................................)" "\\1\n    " hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    string(APPEND text "extern const unsigned char page_${symbol}[];\nextern const unsigned long page_${symbol}_len;\n"
        "const unsigned char page_${symbol}[] = {\n    ${hex}0};\nconst unsigned long page_${symbol}_len = ${length};\n")
endforeach()
file(WRITE ${OUT} "${text}")
