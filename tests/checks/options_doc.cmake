# cmake -D PROGRAM=... -D DOCUMENT=... -P options_doc.cmake: the document is what the program prints.

execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE wanted RESULT_VARIABLE status)
if(NOT status EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} failed: ${status}")
endif()
if(NOT EXISTS ${DOCUMENT})
    message(FATAL_ERROR "${DOCUMENT} is missing; tests/run.sh --update-docs writes it")
endif()
file(READ ${DOCUMENT} found)
if(NOT found STREQUAL wanted)
    message(FATAL_ERROR "${DOCUMENT} is not what the table of options says; tests/run.sh --update-docs writes it anew")
endif()
