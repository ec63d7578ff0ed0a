#include "read_file.h"

#include <stdio.h>
#include <stdlib.h>

char *read_file(const char *path, size_t max, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *data = file ? malloc(max + 1) : NULL;
    if (data)
        *len = fread(data, 1, max + 1, file);
    if (data && (ferror(file) || *len > max)) {
        free(data);
        data = NULL;
    }
    if (file)
        fclose(file);
    return data;
}
