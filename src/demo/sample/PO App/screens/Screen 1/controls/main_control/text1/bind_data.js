return POid.data[0].id;
