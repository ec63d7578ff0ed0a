/* questions.h - what servers of the same Redis ask each other. */
#ifndef EXAMPLES_CENTRIFUGO_QUESTIONS_H
#define EXAMPLES_CENTRIFUGO_QUESTIONS_H

#include <streamrelay/streamrelay.h>

/** The survey hook. */
void questions_answer(srl_question *question, void *user);

#endif
